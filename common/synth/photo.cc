#include "common/synth/photo.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <opencv2/imgproc.hpp>

#include "common/random.h"
#include "common/synth/noise.h"
#include "common/synth/pose.h"
#include "common/synth/scene.h"

namespace fluke::synth {
namespace {

constexpr double kRadian = 180 / 3.14159265358979323846;
constexpr double kStemTop = -.62;  // the lobes end here

// Composition: where the fluke, the water and the horizon stand in the picture.
struct Frame {
  cv::Size size;
  Placement placement;
  double waterline_y = 0;  // of the fluke's plane
  cv::Point2f base;        // pixel where the stem meets the water
  float horizon = 0;       // row; may be negative
};

Frame Compose(const Skin& skin, const Pose& pose, cv::Size size, double difficulty,
              Random& random) {
  Frame frame;
  frame.size = size;
  const double depth = random.Uniform();
  frame.waterline_y = -.98 + depth * depth * (.26 + .34 * difficulty);
  const cv::Rect2d extent = Extent(skin, pose, frame.waterline_y);
  const double fill = random.Uniform(.80 - .35 * difficulty, .93);
  const double scale =
      std::min(fill * size.width / extent.width, .84 * size.height / extent.height);
  frame.placement.pixels_per_unit = scale;
  const cv::Size2d spare(size.width - scale * extent.width, size.height - scale * extent.height);
  // Nobody centres a diving whale, but everybody tries.
  const double across = .5 + random.Uniform(-.42, .42), down = .12 + .6 * random.Uniform();
  frame.placement.origin = {across * spare.width - scale * extent.x,
                            down * spare.height - scale * extent.y};
  const cv::Point2d base = frame.placement.origin + scale * Project(pose, 0, frame.waterline_y);
  frame.base = {static_cast<float>(base.x), static_cast<float>(base.y)};
  frame.horizon = static_cast<float>(base.y - size.height * random.Uniform(.10, 1.15));
  return frame;
}

// Water in front of the fluke: row of the surface at a column.
float Surface(const Frame& frame, const Weather& weather, float col) {
  const float x = col / static_cast<float>(frame.size.width);
  const float swell = Noise(x * 3.2f, .5f, weather.noise_seed + 20) - .5f;
  const float chop = Fbm(x * 16, .5f, weather.noise_seed + 21, 3) - .5f;
  return frame.base.y +
         static_cast<float>(frame.size.width) * (swell * .05f + chop * .03f) * (.3f + weather.chop);
}

// White water around the stem, thrown up in front of the fluke: 0..1 at a pixel.
struct Foam {
  float half_width = 0, rise = 0, density = 0;
  uint32_t noise_seed = 0;

  float At(const Frame& frame, float surface, float col, float row) const {
    const float dx = (col - frame.base.x) / half_width;
    const float dy = (row - surface) / (row < surface ? rise : .30f * half_width);
    const float inside = 1 - dx * dx - dy * dy;
    if (inside <= 0) return 0;
    const float lace =
        Fbm((col - frame.base.x) / half_width * 5, (row - surface) / half_width * 9, noise_seed, 4);
    return Step(.52f, .80f, lace * .75f + .55f * inside * density);
  }
};

Foam DrawFoam(const Frame& frame, double difficulty, Random& random) {
  const auto span = static_cast<float>(2 * frame.placement.pixels_per_unit);
  Foam foam;
  foam.half_width = span * static_cast<float>(random.Uniform(.12, .28 + .22 * difficulty));
  foam.rise = span * static_cast<float>(random.Uniform(.02, .08 + .10 * difficulty));
  foam.density = static_cast<float>(random.Uniform(.25, .75 + .35 * difficulty));
  foam.noise_seed = static_cast<uint32_t>(random.Bits());
  return foam;
}

// Water that runs off the fluke: for every column the lowest row of the fluke above the surface, or
// -1.
std::vector<int> LowerEdge(const cv::Mat& layer) {
  std::vector<int> edge(static_cast<size_t>(layer.cols), -1);
  for (int row = 0; row < layer.rows; ++row) {
    const auto* pixels = layer.ptr<cv::Vec4f>(row);
    for (int col = 0; col < layer.cols; ++col) {
      if (pixels[col][3] > .5f) edge[static_cast<size_t>(col)] = row;
    }
  }
  return edge;
}

void Blend(Color* under, const Color& over, float share) { *under += (over - *under) * share; }

// Puts the fluke into the scene and the water over it. Returns per pixel how much of the fluke is
// seen (CV_32FC1).
cv::Mat Composite(const Frame& frame, const Weather& weather, const cv::Mat& layer,
                  double difficulty, Random& random, cv::Mat* scene) {
  const Foam foam = DrawFoam(frame, difficulty, random);
  const float run_off = static_cast<float>(random.Uniform(0, .5 + .5 * difficulty));
  const auto span = static_cast<float>(2 * frame.placement.pixels_per_unit);
  const float fall = span * static_cast<float>(random.Uniform(.05, .25));
  const Color white = weather.haze * .55f + Color(.34f, .35f, .36f) + weather.sun * .3f;
  const std::vector<int> lower_edge = LowerEdge(layer);
  const cv::Size size = frame.size;
  std::vector<float> surface(static_cast<size_t>(size.width));
  for (int col = 0; col < size.width; ++col)
    surface[static_cast<size_t>(col)] = Surface(frame, weather, static_cast<float>(col));

  cv::Mat seen(size, CV_32FC1, cv::Scalar(0));
  for (int row = 0; row < size.height; ++row) {
    auto* pixels = scene->ptr<Color>(row);
    const auto y = static_cast<float>(row);
    for (int col = 0; col < size.width; ++col) {
      const auto x = static_cast<float>(col);
      const float line = surface[static_cast<size_t>(col)];
      const float under = Step(line - 1, line + 1, y);
      const cv::Vec4f& fluke = layer.at<cv::Vec4f>(row, col);
      float visible = fluke[3] * (1 - under);
      pixels[col] = pixels[col] * (1 - visible) + Color(fluke[0], fluke[1], fluke[2]) * (1 - under);
      if (under > 0) {  // the fluke's image on the water
        const float ripple =
            (Noise(x * .09f, y * .5f, weather.noise_seed + 22) - .5f) * (4 + 14 * weather.chop);
        const int mirrored = static_cast<int>(2 * line - y + ripple + .25f * ripple * (y - line));
        const float away = (y - line) / (.28f * span);
        if (mirrored >= 0 && mirrored < size.height && away < 1) {
          const cv::Vec4f& image = layer.at<cv::Vec4f>(mirrored, col);
          const float share = .5f * (1 - away) * under * (1 - .5f * weather.chop);
          pixels[col] = pixels[col] * (1 - share * image[3]) +
                        Color(image[0], image[1], image[2]) * (share * .8f);
        }
      }
      const int edge = lower_edge[static_cast<size_t>(col)];
      if (edge >= 0 && row > edge - .03f * span && y < line) {  // run-off falls in threads
        const float thread =
            Step(.55f, .95f, Noise(x * 90 / span, 3.5f, foam.noise_seed + 1)) *
            Step(.25f, .8f, Noise(x * 120 / span, y * 14 / span, foam.noise_seed + 2));
        const float fade = Clamp01(1 - (y - static_cast<float>(edge)) / fall);
        Blend(&pixels[col], white, run_off * thread * fade * .75f);
      }
      const float froth = foam.At(frame, line, x, y);
      Blend(&pixels[col], white, froth * .92f);
      visible *= 1 - froth;
      seen.at<float>(row, col) = visible;
    }
  }

  // Spray: drops thrown up around the stem and off the lobes.
  const auto drops = random.Below(static_cast<uint64_t>(12 + 150 * difficulty));
  for (uint64_t i = 0; i < drops; ++i) {
    const double spread = random.Normal() * .55, height = std::abs(random.Normal());
    const double x = frame.base.x + spread * .5 * span,
                 y = frame.base.y - height * (1.4 * foam.rise + .02 * span);
    const double radius = size.width * random.Uniform(.0012, .0042);
    const auto strength = static_cast<float>(random.Uniform(.25, .85));
    const int reach = static_cast<int>(radius * 2) + 1;
    for (int row = static_cast<int>(y) - reach; row <= static_cast<int>(y) + reach; ++row) {
      for (int col = static_cast<int>(x) - reach; col <= static_cast<int>(x) + reach; ++col) {
        if (row < 0 || row >= size.height || col < 0 || col >= size.width) continue;
        const double away = ((col - x) * (col - x) + (row - y) * (row - y)) / (radius * radius);
        if (away < 3)
          Blend(&scene->at<Color>(row, col), white,
                strength * static_cast<float>((1 - away / 3) * (1 - away / 3)));
      }
    }
  }
  return seen;
}

struct Lens {
  float exposure = 1, contrast = 0, saturation = 1, vignette = 0;
  Color balance;
  double blur_px = 0;
  cv::Point2d shake_px;  // length of the smear
  float noise = 0;       // standard deviation in 8-bit steps
  uint32_t noise_seed = 0;
  int jpeg_quality = 90;
};

Lens DrawLens(double pixel, double difficulty, Random& random) {
  Lens lens;
  lens.exposure = static_cast<float>(std::exp(random.Uniform(-.35, .35) * (.6 + .8 * difficulty)));
  lens.contrast = static_cast<float>(random.Uniform(-.15, .55));
  lens.saturation = static_cast<float>(random.Chance(.06) ? 0 : random.Uniform(.65, 1.15));
  lens.vignette = static_cast<float>(random.Uniform(0, .35));
  const double warm = random.Uniform(-.07, .07) * (.6 + .8 * difficulty),
               green = random.Uniform(-.02, .02);
  lens.balance = Color(static_cast<float>(1 + warm), static_cast<float>(1 + green),
                       static_cast<float>(1 - warm));
  const double soft = random.Uniform();
  lens.blur_px = pixel * (.25 + soft * soft * soft * (.4 + 1.6 * difficulty));
  if (random.Chance(.25 * difficulty + .05)) {
    const double turn = random.Uniform(0, 6.283),
                 length = pixel * random.Uniform(1, 2 + 4 * difficulty);
    lens.shake_px = {length * std::cos(turn), length * std::sin(turn)};
  }
  const double grain = random.Uniform();
  lens.noise = static_cast<float>(.8 + grain * grain * grain * (2 + 9 * difficulty));
  lens.noise_seed = static_cast<uint32_t>(random.Bits());
  lens.jpeg_quality =
      96 - static_cast<int>(random.Below(static_cast<uint64_t>(16 + 30 * difficulty)));
  return lens;
}

// The mean over positions along the smear, whole pixels each.
cv::Mat Smear(const cv::Mat& scene, cv::Point2d shake_px) {
  const int steps = static_cast<int>(std::max(std::abs(shake_px.x), std::abs(shake_px.y))) + 1;
  if (steps < 2) return scene;
  cv::Mat out(scene.size(), CV_32FC3);
  for (int row = 0; row < scene.rows; ++row) {
    for (int col = 0; col < scene.cols; ++col) {
      Color sum(0, 0, 0);
      for (int i = 0; i < steps; ++i) {
        const double t = (i + .5) / steps - .5;
        const int from_row =
            std::clamp(row + static_cast<int>(std::lround(t * shake_px.y)), 0, scene.rows - 1);
        const int from_col =
            std::clamp(col + static_cast<int>(std::lround(t * shake_px.x)), 0, scene.cols - 1);
        sum += scene.at<Color>(from_row, from_col);
      }
      out.at<Color>(row, col) = sum * (1.0f / static_cast<float>(steps));
    }
  }
  return out;
}

// Linear light to 8 bits.
cv::Mat Develop(const cv::Mat& scene, const Weather& weather, const Lens& lens) {
  cv::Mat rgb(scene.size(), CV_8UC3);
  const float half_width = .5f * static_cast<float>(scene.cols),
              half_height = .5f * static_cast<float>(scene.rows);
  for (int row = 0; row < scene.rows; ++row) {
    const float dy = (static_cast<float>(row) - half_height) / half_width;
    for (int col = 0; col < scene.cols; ++col) {
      const float dx = (static_cast<float>(col) - half_width) / half_width;
      Color light = scene.at<Color>(row, col);
      light += (weather.haze * .9f - light) * weather.fog;
      light = light.mul(lens.balance) *
              (lens.exposure * (1 - lens.vignette * .5f * (dx * dx + dy * dy)));
      const float gray = .3f * light[0] + .59f * light[1] + .11f * light[2];
      for (int c = 0; c < 3; ++c) {
        const float v =
            Clamp01(std::sqrt(std::max(0.0f, gray + (light[c] - gray) * lens.saturation)));
        const float curved = v * v * (3 - 2 * v);
        rgb.at<cv::Vec3b>(row, col)[c] =
            static_cast<uint8_t>(255 * Clamp01(Mix(v, curved, lens.contrast)) + .5f);
      }
    }
  }
  return rgb;
}

void AddGrain(const Lens& lens, cv::Mat* rgb) {
  for (int row = 0; row < rgb->rows; ++row) {
    for (int col = 0; col < rgb->cols; ++col) {
      const float luma = CellNormal(row, col, lens.noise_seed) * lens.noise;
      for (int c = 0; c < 3; ++c) {
        const float chroma = CellNormal(row, col, lens.noise_seed + 1 + static_cast<uint32_t>(c)) *
                             lens.noise * .45f;
        uint8_t& value = rgb->at<cv::Vec3b>(row, col)[c];
        value = static_cast<uint8_t>(
            std::clamp(static_cast<float>(value) + luma + chroma, 0.0f, 255.0f));
      }
    }
  }
}

cv::Rect VisibleBox(const cv::Mat& seen, Random& random) {
  int left = seen.cols, right = -1, top = seen.rows, bottom = -1;
  for (int row = 0; row < seen.rows; ++row) {
    const auto* values = seen.ptr<float>(row);
    for (int col = 0; col < seen.cols; ++col) {
      if (values[col] < .5f) continue;
      left = std::min(left, col), right = std::max(right, col);
      top = std::min(top, row), bottom = std::max(bottom, row);
    }
  }
  if (right < 0) return {0, 0, seen.cols, seen.rows};
  const auto pad = [&](int extent) {
    return static_cast<int>(std::lround(extent * random.Uniform(-.005, .035)));
  };
  const int width = right - left + 1, height = bottom - top + 1;
  left -= pad(width), right += pad(width), top -= pad(height), bottom += pad(height);
  return cv::Rect(cv::Point(left, top), cv::Point(right + 1, bottom + 1)) &
         cv::Rect(cv::Point(0, 0), seen.size());
}

// Share of the lobes' area that is seen.
double VisibleShare(const cv::Mat& seen, const cv::Mat& layer, int lobes_end_row) {
  double shown = 0, all = 1e-9;
  for (int row = 0; row < std::min(seen.rows, lobes_end_row); ++row) {
    for (int col = 0; col < seen.cols; ++col) {
      all += layer.at<cv::Vec4f>(row, col)[3];
      shown += seen.at<float>(row, col);
    }
  }
  return shown / all;
}

}  // namespace

Photo TakePhoto(const Skin& skin, uint64_t key, int size_px, double difficulty) {
  Random random(key);
  const cv::Size size(size_px, size_px * 3 / 4);
  const Pose pose = DrawPose(random, difficulty);
  const Weather weather = DrawWeather(random, difficulty);
  const Frame frame = Compose(skin, pose, size, difficulty, random);
  cv::Mat scene = PaintScene(weather, size, frame.horizon);
  const cv::Mat layer = RenderFluke(skin, pose, frame.placement, weather, size);
  const cv::Mat seen = Composite(frame, weather, layer, difficulty, random, &scene);
  const Lens lens = DrawLens(size_px / 256.0, difficulty, random);

  Photo photo;
  photo.rgb = Develop(Smear(scene, lens.shake_px), weather, lens);
  cv::GaussianBlur(photo.rgb, photo.rgb, cv::Size(0, 0), lens.blur_px);
  AddGrain(lens, &photo.rgb);
  photo.box = VisibleBox(seen, random);
  photo.yaw_deg = pose.yaw_rad * kRadian;
  photo.pitch_deg = pose.pitch_rad * kRadian;
  photo.roll_deg = pose.roll_rad * kRadian;
  const cv::Point2d stem =
      frame.placement.origin + frame.placement.pixels_per_unit * Project(pose, 0, kStemTop);
  photo.visible = VisibleShare(seen, layer, static_cast<int>(stem.y));
  photo.blur_px = lens.blur_px;
  photo.jpeg_quality = lens.jpeg_quality;
  return photo;
}

}  // namespace fluke::synth
