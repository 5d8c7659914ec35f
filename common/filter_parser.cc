#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/error.h"
#include "common/filter.h"

namespace fluke {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || IsDigit(c) ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool ContinuesCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }  // UTF-8

struct Token {
  enum class Kind { kEnd, kWord, kField, kText, kNumber, kSymbol };
  Kind kind = Kind::kEnd;
  size_t begin = 0;
  std::string_view source = {};  // as it stands in the filter
  std::string text = {};         // kText, kField: without its quotes
  double number = 0;             // kNumber
};

// The text and its places.
class Source {
 public:
  explicit Source(std::string_view text) : text_(text) {}

  std::string_view text() const { return text_; }

  [[noreturn]] void Expected(std::string_view what, size_t at, std::string_view found) const {
    InvalidArgument("filter, column ", Column(at), ": expected ", what, ", found ", found);
  }

  // 'north', shortened where it is long.
  static std::string Quoted(std::string_view source) {
    constexpr size_t kMostBytes = 40;
    if (source.size() <= kMostBytes) return StrCat("'", source, "'");
    size_t kept = kMostBytes;
    while (kept > 0 && ContinuesCharacter(source[kept])) --kept;
    return StrCat("'", source.substr(0, kept), "...'");
  }

 private:
  size_t Column(size_t at) const {
    const auto before = text_.substr(0, at);
    return 1 + before.size() -
           static_cast<size_t>(std::count_if(before.begin(), before.end(), ContinuesCharacter));
  }

  std::string_view text_;
};

class Lexer {
 public:
  explicit Lexer(const Source& source) : source_(source), text_(source.text()) {}

  Token Next() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
    Token token{.begin = at_};
    if (at_ == text_.size()) return token;
    const char c = text_[at_];
    if (c == '"' || c == '\'' || c == '`') {
      token.kind = c == '`' ? Token::Kind::kField : Token::Kind::kText;
      token.text = Unquoted(c);
    } else if (IsDigit(c) || c == '.' || c == '-' || c == '+') {
      token.kind = Token::Kind::kNumber;
      token.number = Number();
    } else if (IsWordCharacter(c)) {
      token.kind = Token::Kind::kWord;
      while (at_ < text_.size() && IsWordCharacter(text_[at_])) ++at_;
    } else {
      token.kind = Token::Kind::kSymbol;
      ++at_;
      const bool may_be_longer = c == '<' || c == '>' || c == '!';
      if (may_be_longer && at_ < text_.size() && text_[at_] == '=') ++at_;
    }
    token.source = text_.substr(token.begin, at_ - token.begin);
    return token;
  }

 private:
  std::string Unquoted(char quote) {
    std::string text;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == quote) {
        ++at_;
        return text;
      }
      text += text_[at_] == '\\' ? Escaped() : text_[at_];
    }
    source_.Expected(StrCat("a closing ", quote), at_, "the end");
  }

  // Leaves at_ at the escape's last character.
  char Escaped() {
    constexpr std::array<std::pair<char, char>, 7> kEscapes = {{{'\\', '\\'},
                                                                {'"', '"'},
                                                                {'\'', '\''},
                                                                {'`', '`'},
                                                                {'n', '\n'},
                                                                {'r', '\r'},
                                                                {'t', '\t'}}};
    ++at_;
    for (const auto& [written, meant] : kEscapes) {
      if (at_ < text_.size() && text_[at_] == written) return meant;
    }
    source_.Expected("\\\\, a quote, n, r or t behind \\", at_,
                     at_ < text_.size() ? Source::Quoted(CharacterAt(at_)) : "the end");
  }

  // All that may belong to it, so that "12abc" is no number and a word behind it.
  double Number() {
    const size_t begin = at_;
    const auto is_sign = [&] { return text_[at_] == '+' || text_[at_] == '-'; };
    const auto is_behind_exponent = [&] { return absl::ascii_tolower(text_[at_ - 1]) == 'e'; };
    for (++at_; at_ < text_.size(); ++at_) {
      const bool goes_on =
          IsWordCharacter(text_[at_]) || text_[at_] == '.' || (is_sign() && is_behind_exponent());
      if (!goes_on) break;
    }
    const std::string_view written = text_.substr(begin, at_ - begin);
    const std::optional<double> number = NumberIn(written);
    if (!number) source_.Expected("a number that a double holds", begin, Source::Quoted(written));
    return *number;
  }

  std::string_view CharacterAt(size_t at) const {
    size_t end = at + 1;
    while (end < text_.size() && ContinuesCharacter(text_[end])) ++end;
    return text_.substr(at, end - at);
  }

  const Source& source_;
  std::string_view text_;
  size_t at_ = 0;
};

// Recursive descent, a function a rule of the grammar (filter.h).
class Parser {
 public:
  explicit Parser(std::string_view text) : source_(text), lexer_(source_), token_(lexer_.Next()) {}

  Filter Whole() {
    Filter filter = Any();
    if (token_.kind != Token::Kind::kEnd) Expected("'and', 'or' or the end");
    return filter;
  }

 private:
  Filter Any() {
    return Chain(Filter::Kind::kOr, "or", [&] { return All(); });
  }
  Filter All() {
    return Chain(Filter::Kind::kAnd, "and", [&] { return One(); });
  }

  template <typename Part>
  Filter Chain(Filter::Kind kind, std::string_view keyword, const Part& part) {
    Filter first = part();
    if (!IsKeyword(keyword)) return first;
    Filter chain{.kind = kind};
    chain.children.push_back(std::move(first));
    while (TakeKeyword(keyword)) chain.children.push_back(part());
    return chain;
  }

  Filter One() {
    const size_t begin = token_.begin;
    if (TakeKeyword("not")) {
      const Deeper deeper(*this, begin);
      return Not(One());
    }
    if (TakeSymbol("(")) {
      const Deeper deeper(*this, begin);
      Filter inner = Any();
      if (!TakeSymbol(")")) Expected("'and', 'or' or ')'");
      return inner;
    }
    if (++conditions_ > kMaxFilterConditions) {
      source_.Expected(StrCat("at most ", kMaxFilterConditions, " conditions"), begin, "more");
    }
    if (TakeKeyword("exists")) return Exists();
    return Condition();
  }

  Filter Exists() {
    if (!TakeSymbol("(")) Expected("'(' behind 'exists'");
    Filter filter{.kind = Filter::Kind::kExists, .field = Field("a field")};
    if (!TakeSymbol(")")) Expected("')'");
    return filter;
  }

  Filter Condition() {
    Filter filter{.field = Field("a field, 'not', 'exists' or '('")};
    if (TakeKeyword("in")) {
      filter.kind = Filter::Kind::kIn;
      filter.values = List();
      return filter;
    }
    struct Operator {
      std::string_view symbol;
      Filter::Kind kind;
      bool negated;
    };
    constexpr Operator kOperators[] = {
        {"=", Filter::Kind::kEqual, false},   {"!=", Filter::Kind::kEqual, true},
        {"<", Filter::Kind::kLess, false},    {"<=", Filter::Kind::kLessEqual, false},
        {">", Filter::Kind::kGreater, false}, {">=", Filter::Kind::kGreaterEqual, false}};
    for (const auto& [symbol, kind, negated] : kOperators) {
      if (!TakeSymbol(symbol)) continue;
      filter.kind = kind;
      filter.values.push_back(Value());
      return negated ? Not(std::move(filter)) : filter;
    }
    Expected("=, !=, <, <=, >, >= or 'in'");
  }

  std::vector<Filter::Value> List() {
    if (!TakeSymbol("(")) Expected("'(' behind 'in'");
    std::vector<Filter::Value> values;
    if (TakeSymbol(")")) return values;
    do {
      values.push_back(Value());
    } while (TakeSymbol(","));
    if (!TakeSymbol(")")) Expected("',' or ')'");
    return values;
  }

  Filter::Value Value() {
    if (token_.kind == Token::Kind::kNumber) return Take().number;
    if (token_.kind != Token::Kind::kText) Expected("a number or a text in quotes");
    return Take().text;
  }

  std::string Field(std::string_view expected) {
    if (token_.kind == Token::Kind::kField) return Take().text;
    if (token_.kind != Token::Kind::kWord || IsAnyKeyword()) Expected(expected);
    return std::string(Take().source);
  }

  static Filter Not(Filter inner) {
    Filter filter{.kind = Filter::Kind::kNot};
    filter.children.push_back(std::move(inner));
    return filter;
  }

  // One level of nesting for as long as it lives.
  class Deeper {
   public:
    Deeper(Parser& parser, size_t begin) : depth_(parser.depth_) {
      if (depth_ == kMaxFilterDepth) {
        parser.source_.Expected(StrCat("at most ", kMaxFilterDepth, " levels of nesting"), begin,
                                "more");
      }
      ++depth_;
    }
    ~Deeper() { --depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    int& depth_;
  };

  bool IsKeyword(std::string_view word) const {
    return token_.kind == Token::Kind::kWord &&
           absl::EqualsIgnoreCase(AbslView(token_.source), AbslView(word));
  }
  bool IsAnyKeyword() const {
    constexpr std::string_view kKeywords[] = {"and", "or", "not", "in", "exists"};
    return std::any_of(std::begin(kKeywords), std::end(kKeywords),
                       [&](std::string_view word) { return IsKeyword(word); });
  }
  bool TakeKeyword(std::string_view word) { return IsKeyword(word) && (Take(), true); }
  bool TakeSymbol(std::string_view symbol) {
    return token_.kind == Token::Kind::kSymbol && token_.source == symbol && (Take(), true);
  }
  Token Take() { return std::exchange(token_, lexer_.Next()); }

  [[noreturn]] void Expected(std::string_view what) const {
    source_.Expected(what, token_.begin,
                     token_.kind == Token::Kind::kEnd ? "the end" : Source::Quoted(token_.source));
  }

  Source source_;
  Lexer lexer_;
  Token token_;
  int depth_ = 0;
  int conditions_ = 0;
};

}  // namespace

Filter ParseFilter(std::string_view text) {
  if (text.size() > kMaxFilterBytes) {
    InvalidArgument("filter of ", text.size(), " bytes, expected at most ", kMaxFilterBytes);
  }
  return Parser(text).Whole();
}

}  // namespace fluke
