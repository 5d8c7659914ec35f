// Clients that are slow, greedy or confused: each gets a status or a closed connection, and the
// others are answered meanwhile.
#include <atomic>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/http/http_listener.h"
#include "tests/folders.h"
#include "tests/serve/http_server_fixture.h"

namespace fluke::serve {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kGet[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

// Answers "hello", or what `answer` says; bounds small enough to run into.
struct SmallListener {
  explicit SmallListener(HttpListenerOptions options = Options())
      : listener(
            options, [](const httplib::Request&, httplib::Response&) { return false; },
            [this](const httplib::Request& request, httplib::Response& response) {
              gate.Wait();
              body_bytes += request.body.size();
              response.set_content(answer, "text/plain");
            }) {}
  ~SmallListener() { gate.Open(); }

  static HttpListenerOptions Options() {
    HttpListenerOptions options;
    options.host = "127.0.0.1";
    options.threads = 1;
    options.waiting_connections = 1;
    options.limits.idle = seconds(60);
    options.limits.headers = options.limits.body = options.limits.progress = milliseconds(300);
    options.limits.header_bytes = 2048;
    options.limits.body_bytes = 1000;
    return options;
  }

  std::string answer = "hello";
  std::atomic<size_t> body_bytes = 0;
  Gate gate;
  HttpListener listener;
};

TEST(HttpListener, GivesUpOnHeadersThatDrip) {
  SmallListener small;
  RawConnection slow(small.listener.port());
  slow.Send("GET / HTTP/1.1\r\nX-A: ");
  // Each byte comes in time; all of them do not.
  const auto begin = std::chrono::steady_clock::now();
  while (slow.Send("a") && std::chrono::steady_clock::now() - begin < seconds(5)) {
    std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(5));
  EXPECT_EQ(ClientOf(small.listener.port())->Get("/")->body, "hello");
}

TEST(HttpListener, TellsASlowClientSo) {
  SmallListener small;
  RawConnection slow(small.listener.port());
  slow.Send("GET / HTTP/1.1\r\nHost: local");
  EXPECT_THAT(slow.Receive(), StartsWith("HTTP/1.1 408 "));
  RawConnection slow_body(small.listener.port());
  slow_body.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_THAT(slow_body.Receive(), StartsWith("HTTP/1.1 408 "));
}

TEST(HttpListener, BoundsHeadersWithAndWithoutLineEnds) {
  SmallListener small;
  RawConnection one_long(small.listener.port());
  one_long.Send("GET / HTTP/1.1\r\nX: " + std::string(3000, 'a'));
  EXPECT_THAT(one_long.Receive(), StartsWith("HTTP/1.1 431 "));
  RawConnection many(small.listener.port());
  std::string headers;
  // Fewer than the 100 that httplib takes from 0.18 on; together 3 KB.
  for (int i = 0; i < 60; ++i) {
    headers += "X-" + std::to_string(i) + ": " + std::string(44, 'a') + "\r\n";
  }
  many.Send("GET / HTTP/1.1\r\n" + headers + "\r\n");
  EXPECT_THAT(many.Receive(), StartsWith("HTTP/1.1 431 "));
  RawConnection no_end(small.listener.port());
  no_end.Send(std::string(3000, 'G'));
  EXPECT_THAT(no_end.Receive(), StartsWith("HTTP/1.1 431 "));
}

TEST(HttpListener, BoundsBodiesOfKnownAndUnknownLength) {
  SmallListener small;
  RawConnection known(small.listener.port());
  known.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + std::string(1001, 'a'));
  EXPECT_THAT(known.Receive(), StartsWith("HTTP/1.1 413 "));
  RawConnection endless(small.listener.port());
  endless.Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'a') + "\r\n";
  for (int i = 0; i < 1000 && endless.Send(chunk); ++i) {
  }
  EXPECT_EQ(ClientOf(small.listener.port())->Get("/")->body, "hello");
  EXPECT_EQ(small.body_bytes, 0u);
}

TEST(HttpListener, ClosesTheConnectionOfAGetWithABody) {
  SmallListener small;
  RawConnection raw(small.listener.port());
  const std::string hidden = "GET /second HTTP/1.1\r\nHost: x\r\n\r\n";
  raw.Send("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(hidden.size()) +
           "\r\n\r\n" + hidden);
  const std::string answers = raw.Receive();
  EXPECT_THAT(answers, StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(answers.find("HTTP/1.1", 1), std::string::npos) << answers;
}

TEST(HttpListener, TakesNonsenseAsABadRequest) {
  SmallListener small;
  for (const std::string& bytes :
       {std::string("\r\n\r\n"), std::string("GET\r\n\r\n"),
        std::string("\x16\x03\x01\x02\r\n\r\n"), std::string("GET / HTTP/9.9\r\n\r\n"),
        std::string("G\0T / HTTP/1.1\r\n\r\n", 18)}) {
    RawConnection raw(small.listener.port());
    raw.Send(bytes);
    EXPECT_THAT(raw.Receive(), StartsWith("HTTP/1.1 400 ")) << bytes;
  }
}

TEST(HttpListener, RefusesConnectionsBeyondItsBounds) {
  SmallListener small;
  small.gate.Close();
  RawConnection served(small.listener.port());
  served.Send(kGet);
  small.gate.AwaitWaiting(1);
  RawConnection waits(small.listener.port());
  RawConnection refused(small.listener.port());
  EXPECT_THAT(refused.Receive(), StartsWith("HTTP/1.1 503 "));
  small.gate.Open();
  waits.Send(kGet);
  EXPECT_THAT(served.Receive("hello"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(waits.Receive("hello"), StartsWith("HTTP/1.1 200 "));
}

TEST(HttpListener, ClosesAnIdleConnectionWhenAnotherWaits) {
  SmallListener small;
  RawConnection idle(small.listener.port());
  idle.Send(kGet);
  idle.Receive("hello");
  // The only thread sits with the idle connection, which may stay a minute.
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(ClientOf(small.listener.port())->Get("/")->body, "hello");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(10));
  EXPECT_EQ(idle.Receive(), "");
}

TEST(HttpListener, KeepsAConnectionForSeveralRequests) {
  SmallListener small;
  RawConnection raw(small.listener.port());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(raw.Send(kGet));
    EXPECT_THAT(raw.Receive("hello"), StartsWith("HTTP/1.1 200 "));
  }
}

TEST(HttpListener, GivesUpOnAClientThatTakesNoAnswer) {
  HttpListenerOptions options = SmallListener::Options();
  options.limits.progress = seconds(2);
  SmallListener small(options);
  small.answer = std::string(32 << 20, 'a');
  small.gate.Close();
  RawConnection deaf(small.listener.port(), 4096);
  deaf.Send(kGet);
  small.gate.AwaitWaiting(1);  // the only thread has it
  small.gate.Open();
  // The only thread is free again once it has given up.
  auto client = ClientOf(small.listener.port());
  const auto answer = client->Get("/");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body.size(), small.answer.size());
}

TEST(HttpListener, StopsInSpiteOfSilentClients) {
  SmallListener small;
  RawConnection silent(small.listener.port());
  RawConnection half(small.listener.port());
  half.Send("GET / HTTP/1.1\r\nHost");
  const auto begin = std::chrono::steady_clock::now();
  small.listener.Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(10));
  EXPECT_FALSE(RawConnection(small.listener.port()).connected());
}

TEST(HttpServer, AnswersWhileSilentConnectionsStandOpen) {
  HttpRunningServer running;
  std::vector<std::unique_ptr<RawConnection>> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(std::make_unique<RawConnection>(running.server.http_port()));
    if (i % 2 == 0) silent.back()->Send("POST /api/fluke.v1.Retrieval/Search HTTP/1.1\r\nHo");
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(running.http->Get("/healthz")->status, 200);
  // Half a request is heard out for 10 s, or 1 s while others wait.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(8));
}

TEST(HttpServer, RefusesTwoLengthsOfOneBody) {
  HttpRunningServer running;
  for (const std::string& lengths :
       {std::string("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
        std::string("Content-Length: 2\r\nContent-Length: 3\r\n")}) {
    RawConnection raw(running.server.http_port());
    raw.Send("POST /api/fluke.v1.Retrieval/Describe HTTP/1.1\r\nHost: localhost\r\n" + lengths +
             "Content-Type: application/json\r\n\r\n{}");
    EXPECT_THAT(raw.Receive(), StartsWith("HTTP/1.1 400 "));
  }
}

TEST(HttpServer, NamesNoPathOfItsOwnInAnswersToNonsense) {
  HttpRunningServer running;
  for (const std::string& bytes :
       {std::string(
            "GET /%ff%fe?%ff=\xff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        std::string("GET /") + std::string(9000, 'a') + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
        std::string("POST /api/fluke.v1.Retrieval/Search HTTP/1.1\r\nHost: localhost\r\n"
                    "Content-Type: application/json\r\nContent-Length: 3\r\n"
                    "Connection: close\r\n\r\n{\"k")}) {
    RawConnection raw(running.server.http_port());
    raw.Send(bytes);
    const std::string answer = raw.Receive();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 4"));
    EXPECT_THAT(answer, Not(HasSubstr(SourceFolder().string())));
  }
}

}  // namespace
}  // namespace fluke::serve
