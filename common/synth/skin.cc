#include "common/synth/skin.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <opencv2/imgproc.hpp>

#include "common/random.h"
#include "common/synth/noise.h"

namespace fluke::synth {
namespace {

using Curve = std::vector<cv::Point2d>;

constexpr int kSubpixelBits = 6;
constexpr uint64_t kFamilies = 5;

// Catmull-Rom through `knots`, `steps` points a segment, the last knot included.
Curve Smooth(const Curve& knots, int steps) {
  Curve curve;
  const int n = static_cast<int>(knots.size());
  const auto knot = [&](int i) { return knots[std::clamp(i, 0, n - 1)]; };
  for (int i = 0; i + 1 < n; ++i) {
    const cv::Point2d a = knot(i - 1), b = knot(i), c = knot(i + 1), d = knot(i + 2);
    for (int s = 0; s < steps; ++s) {
      const double t = static_cast<double>(s) / steps;
      curve.push_back(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * (t * t) +
                             (3 * b - a - 3 * c + d) * (t * t * t)));
    }
  }
  curve.push_back(knots.back());
  return curve;
}

// A bite out of the trailing edge. Position and width in units of the half span.
struct Nick {
  double position, depth, width, skew;
};

std::vector<Nick> DrawNicks(Random& random) {
  std::vector<Nick> nicks(2 + random.Below(5));
  for (Nick& nick : nicks) {
    nick.position = random.Uniform(.09, .94);
    const double size = random.Uniform();
    nick.depth = .018 + .075 * size * size;
    nick.width = random.Uniform(.014, .034) + .3 * nick.depth;
    nick.skew = random.Uniform(-.6, .6);
  }
  return nicks;
}

// How deep the trailing edge is bitten at `t` along the half span: 0 outside, `depth` at the skewed
// middle of each nick.
double BiteDepth(const std::vector<Nick>& nicks, double t) {
  double deepest = 0;
  for (const Nick& nick : nicks) {
    const double off = (t - nick.position) / nick.width;
    if (std::abs(off) >= 1) continue;
    const double reach = off < nick.skew ? 1 + nick.skew : 1 - nick.skew;
    const double fall = std::min(1.0, std::abs(off - nick.skew) / reach);
    deepest = std::max(deepest, nick.depth * (1 - fall) * (1 + .6 * fall));
  }
  return deepest;
}

// What both halves of one fluke share before each goes its own way.
struct Build {
  double notch_depth, notch_width, crest_x, crest_y, hollow, tip_y, tip_hook, sweep, chord,
      serration;
};

Build DrawBuild(Random& random) {
  Build build;
  build.notch_depth = random.Uniform(.06, .17);
  build.notch_width = random.Uniform(.018, .06);
  build.crest_x = random.Uniform(.13, .24);
  build.crest_y = random.Uniform(.0, .05);
  build.hollow = random.Uniform(-.015, .085);
  build.tip_y = random.Uniform(-.06, .16);
  build.tip_hook = random.Uniform(.0, .05);
  build.sweep = random.Uniform(-.06, .06);
  build.chord = random.Uniform(.50, .64);
  build.serration = random.Uniform(.002, .009);
  return build;
}

// The right half from the median notch along the trailing edge to the tip, then along the leading
// edge down the stem.
Curve DrawHalf(const Build& shared, uint32_t noise_seed, Random& random) {
  Build b = shared;
  for (double* value : {&b.crest_y, &b.hollow, &b.tip_y, &b.sweep})
    *value += random.Uniform(-.014, .014);
  b.notch_width += random.Uniform(-.006, .006);
  const std::vector<Nick> nicks = DrawNicks(random);
  const Curve trailing_knots = {
      {0, -b.notch_depth},
      {b.notch_width, -.35 * b.notch_depth},
      {b.crest_x * .55 + b.notch_width * .5, b.crest_y * .6},
      {b.crest_x + .04, b.crest_y},
      {.46, -b.hollow * .55},
      {.70, -b.hollow + .35 * std::max(0.0, b.tip_y)},
      {.88, -.45 * b.hollow + .68 * b.tip_y},
      {1.0, b.tip_y + b.tip_hook},
  };
  Curve half = Smooth(trailing_knots, 44);
  for (size_t i = 0; i < half.size(); ++i) {
    const double t = half[i].x;
    const double inside = std::min(1.0, std::min(t / .05, (1 - t) / .05));
    const double knobs = Fbm(static_cast<float>(t) * 26, .5f, noise_seed, 3) - .5;
    half[i].y -= std::max(0.0, inside) * (BiteDepth(nicks, t) + 2 * b.serration * knobs);
  }
  // Some have lost the tip of a lobe.
  const double tip_x = random.Chance(.14) ? random.Uniform(.93, .97) : 1.0;
  const Curve leading_knots = {
      {tip_x, b.tip_y + (tip_x < 1 ? 0 : b.tip_hook)},
      {tip_x - .012, b.tip_y - .055},
      {.90, b.tip_y * .8 - .135 + b.sweep * .3},
      {.72, b.tip_y * .5 - .26 + b.sweep},
      {.48, -.05 - .66 * b.chord + b.tip_y * .2 + b.sweep * .9},
      {.28, -b.chord - .005 + b.sweep * .4},
      {.155, -b.chord - .16},
      {.100, -b.chord - .34},
      {.088, -b.chord - .50},
      {.105, kSkinBottom - .1},
  };
  if (tip_x < 1) std::erase_if(half, [&](const cv::Point2d& p) { return p.x > tip_x; });
  const Curve leading = Smooth(leading_knots, 16);
  half.insert(half.end(), leading.begin(), leading.end());
  return half;
}

cv::Point Fixed(const Skin& skin, cv::Point2d p) {
  const double scale = 1 << kSubpixelBits;
  return {static_cast<int>(std::lround(skin.Column(static_cast<float>(p.x)) * scale)),
          static_cast<int>(std::lround(skin.Row(static_cast<float>(p.y)) * scale))};
}

// Draws the outline twice as fine as the skin and averages, which is smoother than OpenCV's own
// anti-aliasing.
cv::Mat FillOutline(const Skin& skin, const Curve& outline, cv::Size size) {
  std::vector<cv::Point> polygon;
  for (const cv::Point2d& p : outline) polygon.push_back(2 * Fixed(skin, p));
  cv::Mat fine(size * 2, CV_8UC1, cv::Scalar(0)), alpha;
  cv::fillPoly(fine, std::vector<std::vector<cv::Point>>{polygon}, cv::Scalar(255), cv::LINE_AA,
               kSubpixelBits);
  cv::resize(fine, alpha, size, 0, 0, cv::INTER_AREA);
  return alpha;
}

// Marks are drawn into one plane: 128 = none, brighter = pale scar, darker = dark scar.
class Marks {
 public:
  Marks(const Skin& skin, cv::Size size) : skin_(skin), plane_(size, CV_8UC1, cv::Scalar(128)) {}

  void Line(const Curve& knots, double width, double tone) {
    std::vector<cv::Point> points;
    for (const cv::Point2d& p : Smooth(knots, 12)) points.push_back(Fixed(skin_, p));
    cv::polylines(plane_, std::vector<std::vector<cv::Point>>{points}, false, Tone(tone),
                  Thickness(width), cv::LINE_AA, kSubpixelBits);
  }

  void Ring(cv::Point2d center, double radius, double width, double tone) {
    cv::circle(plane_, Fixed(skin_, center), Radius(radius), Tone(tone), Thickness(width),
               cv::LINE_AA, kSubpixelBits);
  }

  void Spot(cv::Point2d center, double radius, double stretch, double turn_deg, double tone) {
    cv::ellipse(plane_, Fixed(skin_, center), cv::Size(Radius(radius * stretch), Radius(radius)),
                turn_deg, 0, 360, Tone(tone), cv::FILLED, cv::LINE_AA, kSubpixelBits);
  }

  cv::Mat Take() && {
    cv::GaussianBlur(plane_, plane_, cv::Size(3, 3), 0);
    return plane_;
  }

 private:
  static cv::Scalar Tone(double tone) { return cv::Scalar(std::lround(128 + 127 * tone)); }
  int Thickness(double width) const {
    return std::max(1, static_cast<int>(std::lround(width * skin_.pixels_per_unit)));
  }
  int Radius(double radius) const {
    return static_cast<int>(std::lround(radius * skin_.pixels_per_unit * (1 << kSubpixelBits)));
  }

  const Skin& skin_;
  cv::Mat plane_;
};

cv::Point2d OnALobe(Random& random) {
  const double x = random.Uniform(.1, .86);
  const double y = random.Uniform(-.36 * (1.15 - x) - .09, -.03);
  return {random.Chance(.5) ? x : -x, y};
}

cv::Mat DrawMarks(const Skin& skin, cv::Size size, Random& random) {
  Marks marks(skin, size);
  for (uint64_t n = 3 + random.Below(7); n > 0; --n) {  // blotches
    const double tone = random.Chance(.6) ? random.Uniform(.2, .7) : random.Uniform(-.7, -.3);
    marks.Spot(OnALobe(random), random.Uniform(.006, .024), random.Uniform(1, 2.6),
               random.Uniform(0, 180), tone);
  }
  for (uint64_t n = random.Below(3); n > 0; --n) {  // rakes of teeth: parallel lines
    const cv::Point2d start = OnALobe(random);
    const double turn = random.Uniform(0, 6.283), length = random.Uniform(.08, .26);
    const cv::Point2d along(std::cos(turn), std::sin(turn)), aside(-along.y, along.x);
    const double gap = random.Uniform(.016, .028), bow = random.Uniform(-.25, .25);
    for (uint64_t line = 0, lines = 3 + random.Below(3); line < lines; ++line) {
      const cv::Point2d from =
          start + aside * (gap * static_cast<double>(line)) + along * random.Uniform(-.02, .02);
      const cv::Point2d to = from + along * (length * random.Uniform(.7, 1));
      marks.Line({from, (from + to) * .5 + aside * (bow * length), to}, .006,
                 random.Uniform(.45, .8));
    }
  }
  for (uint64_t n = 1 + random.Below(4); n > 0; --n) {  // single scars
    const cv::Point2d from = OnALobe(random);
    const double turn = random.Uniform(0, 6.283), length = random.Uniform(.07, .3);
    const cv::Point2d along(std::cos(turn), std::sin(turn)), aside(-along.y, along.x);
    const cv::Point2d middle =
        from + along * (length * .5) + aside * (length * random.Uniform(-.3, .3));
    const double tone = random.Chance(.75) ? random.Uniform(.5, .95) : random.Uniform(-.8, -.5);
    marks.Line({from, middle, from + along * length}, random.Uniform(.006, .013), tone);
  }
  for (uint64_t n = random.Below(6); n > 0; --n) {  // where barnacles sat
    const double radius = random.Uniform(.010, .026);
    marks.Ring(OnALobe(random), radius, .3 * radius, random.Uniform(.4, .9));
  }
  return std::move(marks).Take();
}

// Where the skin is pale: two lobes, broken up by noise. Relatives share the lobes' rough place and
// the mirrored half of the noise, so that the large pattern alone does not tell individuals apart.
// Any real number; the share of the skin above a threshold is chosen afterwards.
class PigmentField {
 public:
  // `kin` is the same for all relatives, `own` is the individual's.
  PigmentField(Random& kin, Random& own)
      : kin_seed_(static_cast<uint32_t>(kin.Bits())), own_seed_(static_cast<uint32_t>(own.Bits())) {
    const auto inherited = [&](double low, double high) {
      return static_cast<float>(kin.Uniform(low, high) + .15 * (high - low) * own.Uniform(-1, 1));
    };
    for (Lobe& lobe : lobes_) {
      lobe = {inherited(.3, .6), inherited(-.26, -.1), inherited(.22, .42), inherited(.12, .2)};
    }
    if (kin.Chance(.6)) lobes_[1] = lobes_[0];
    mirrored_ = inherited(.4, .6);
    grain_ = static_cast<float>(kin.Uniform(2.2, 4.2));
    lobe_weight_ = inherited(.25, .8);
    fan_ = static_cast<float>(kin.Uniform(0, .5));
    margin_ = inherited(.05, .35);
  }

  float At(float x, float y, float depth_inside) const {
    const float side = x < 0 ? -x : x;
    const float blob =
        Mix(Blob(lobes_[1], side, y), Blob(lobes_[0], side, y), Step(-.12f, .12f, x));
    // Streaks that fan out from the stem, as pigment does.
    const float fx = Mix(side, side / (.9f - y), fan_), fy = Mix(y, 2 * y * y, fan_);
    const float own = Fbm(x * grain_ + 31, y * grain_ * 1.3f, own_seed_, 4);
    const float both = Fbm(fx * grain_ + 57, fy * grain_ * 1.3f, kin_seed_, 4);
    return lobe_weight_ * blob + Mix(own, both, mirrored_) * 1.6f + margin_ * depth_inside;
  }

 private:
  struct Lobe {
    float x, y, wide, high;
  };
  static float Blob(const Lobe& lobe, float side, float y) {
    const float dx = (side - lobe.x) / lobe.wide, dy = (y - lobe.y) / lobe.high;
    return 1 / (1 + dx * dx + dy * dy);
  }

  uint32_t kin_seed_, own_seed_;
  Lobe lobes_[2];
  float mirrored_, grain_, lobe_weight_, fan_, margin_;
};

// The value that `share` of the skin's `values` lie above.
float UpperQuantile(std::vector<float> values, double share) {
  const auto rank =
      static_cast<std::ptrdiff_t>((1 - share) * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + rank, values.end());
  return values[static_cast<size_t>(rank)];
}

void Paint(const PigmentField& field, uint32_t noise_seed, const cv::Mat& marks, Random& random,
           Skin* skin) {
  const double pale_share = random.Uniform(.30, .55);
  const float softness = static_cast<float>(random.Uniform(.035, .10));
  const float pale = static_cast<float>(random.Uniform(.76, .86)),
              dark = static_cast<float>(random.Uniform(.24, .31));
  const float mottle = static_cast<float>(random.Uniform(.10, .28));

  cv::Mat inside;  // about the distance from the outline: 0 at the edge, 1 well inside
  const int reach = static_cast<int>(skin->pixels_per_unit * .06f) | 1;
  cv::blur(skin->alpha, inside, cv::Size(reach * 2 + 1, reach * 2 + 1));

  const int rows = skin->alpha.rows, cols = skin->alpha.cols;
  cv::Mat level(rows, cols, CV_32FC1, cv::Scalar(0));
  std::vector<float> on_lobes;
  for (int row = 0; row < rows; ++row) {
    const float y = kSkinTop - (static_cast<float>(row) + .5f) / skin->pixels_per_unit;
    for (int col = 0; col < cols; ++col) {
      const int near = inside.at<uint8_t>(row, col);
      if (near < 8) continue;
      const float x = kSkinLeft + (static_cast<float>(col) + .5f) / skin->pixels_per_unit;
      const float value = field.At(x, y, std::min(1.0f, (static_cast<float>(near) - 128) / 110));
      level.at<float>(row, col) = value;
      if (near > 140 && y > -.62f) on_lobes.push_back(value);
    }
  }
  const float threshold = UpperQuantile(std::move(on_lobes), pale_share);

  for (int row = 0; row < rows; ++row) {
    const float y = kSkinTop - (static_cast<float>(row) + .5f) / skin->pixels_per_unit;
    const float stem = Step(-.40f, -.66f, y);  // the stem is dark
    for (int col = 0; col < cols; ++col) {
      if (inside.at<uint8_t>(row, col) < 8) continue;
      const float x = kSkinLeft + (static_cast<float>(col) + .5f) / skin->pixels_per_unit;
      const float value = level.at<float>(row, col);
      float white = Step(threshold - softness, threshold + softness, value) * (1 - stem);
      const float fine = Fbm(x * 22 + 7, y * 26, noise_seed + 99, 3) - .5f;
      float tone = Mix(dark, pale, white) + fine * mottle * Mix(.55f, 1, white);
      const float mark = static_cast<float>(marks.at<uint8_t>(row, col) - 128) / 127.0f;
      tone = mark > 0 ? Mix(tone, .80f, mark * Mix(.85f, .5f, white)) : Mix(tone, .2f, -mark);
      const float warm = .02f * (tone - .3f);
      auto& pixel = skin->albedo.at<cv::Vec3b>(row, col);
      const float channels[] = {tone + warm, tone, tone - warm + .012f};
      for (int c = 0; c < 3; ++c) pixel[c] = static_cast<uint8_t>(255 * Clamp01(channels[c]) + .5f);
    }
  }
}

// Flukes are thick along the leading edge and the stem and thin out towards the trailing edge: the
// blurred outline as a height, its slope as the relief.
cv::Mat RoundOff(const Skin& skin) {
  const int radius = static_cast<int>(skin.pixels_per_unit * .07f);
  cv::Mat height;
  cv::blur(skin.alpha, height, cv::Size(2 * radius + 1, 2 * radius + 1));
  cv::blur(height, height, cv::Size(2 * radius + 1, 2 * radius + 1));
  cv::Mat relief(skin.alpha.size(), CV_8SC2, cv::Scalar(0, 0));
  // Full height is reached over about four radii.
  const float to_slope = 127.0f * 2.2f / 255.0f;
  const int reach = std::max(1, radius / 2);
  for (int row = reach; row < relief.rows - reach; ++row) {
    const float y = kSkinTop - static_cast<float>(row) / skin.pixels_per_unit;
    const float thin = .35f + .65f * Step(-.05f, -.40f, y);
    for (int col = reach; col < relief.cols - reach; ++col) {
      const int dx = height.at<uint8_t>(row, col - reach) - height.at<uint8_t>(row, col + reach);
      const int dy = height.at<uint8_t>(row + reach, col) - height.at<uint8_t>(row - reach, col);
      const auto slope = [&](int d) {
        return cv::saturate_cast<int8_t>(
            std::clamp(static_cast<float>(d) * to_slope * thin, -127.0f, 127.0f));
      };
      relief.at<cv::Vec<int8_t, 2>>(row, col) = {slope(dx), slope(-dy)};
    }
  }
  return relief;
}

}  // namespace

Skin GrowSkin(uint64_t seed, uint64_t individual, float pixels_per_unit) {
  Random random(RandomKey({seed, individual, 0x666c756b65}));
  const auto noise_seed = static_cast<uint32_t>(random.Bits());
  Skin skin;
  skin.pixels_per_unit = pixels_per_unit;
  const cv::Size size(static_cast<int>((kSkinRight - kSkinLeft) * pixels_per_unit),
                      static_cast<int>((kSkinTop - kSkinBottom) * pixels_per_unit));
  const Build build = DrawBuild(random);
  Curve outline = DrawHalf(build, noise_seed + 1, random);
  const Curve left = DrawHalf(build, noise_seed + 2, random);
  std::for_each(left.rbegin(), left.rend(),
                [&](const cv::Point2d& p) { outline.emplace_back(-p.x, p.y); });
  skin.alpha = FillOutline(skin, outline, size);
  skin.albedo = cv::Mat(size, CV_8UC3, cv::Scalar(70, 70, 70));
  const cv::Mat marks = DrawMarks(skin, size, random);
  Random kin(RandomKey({seed, 0x6b696e, random.Below(kFamilies)}));
  const PigmentField field(kin, random);
  Paint(field, noise_seed, marks, random, &skin);
  skin.relief = RoundOff(skin);
  return skin;
}

}  // namespace fluke::synth
