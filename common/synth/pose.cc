#include "common/synth/pose.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/synth/noise.h"

namespace fluke::synth {
namespace {

constexpr int kMeshColumns = 60, kMeshRows = 44;
constexpr int kFiner = 2;  // drawn this many times finer than the picture, then averaged

cv::Vec3d Turn(const Pose& pose, cv::Vec3d p) {
  const double cp = std::cos(pose.pitch_rad), sp = std::sin(pose.pitch_rad);
  p = {p[0], p[1] * cp - p[2] * sp, p[1] * sp + p[2] * cp};
  const double cy = std::cos(pose.yaw_rad), sy = std::sin(pose.yaw_rad);
  p = {p[0] * cy + p[2] * sy, p[1], -p[0] * sy + p[2] * cy};
  const double cr = std::cos(pose.roll_rad), sr = std::sin(pose.roll_rad);
  return {p[0] * cr - p[1] * sr, p[0] * sr + p[1] * cr, p[2]};
}

cv::Vec3d InSpace(const Pose& pose, double x, double y) {
  const double reach = x * x;
  // The lobes share the midline, so that left and right blend there.
  const double right = std::clamp(.5 + 4 * x, 0.0, 1.0);
  const double curl = pose.curl[0] * right + pose.curl[1] * (1 - right);
  const double droop = pose.droop[0] * right + pose.droop[1] * (1 - right);
  const double shorter =
      1 - .35 * reach * (curl * curl + droop * droop);  // a bent lobe reaches less far
  const double below = std::min(0.0, y + .5);
  return Turn(pose,
              {x * shorter, y - droop * reach,
               curl * reach + pose.cup * (y + .2) * (y + .2) - pose.stem_lean * below * below});
}

cv::Point2d Flatten(const Pose& pose, const cv::Vec3d& p) {
  const double scale = pose.distance / (pose.distance - p[2]);
  return {p[0] * scale, -p[1] * scale};
}

cv::Vec3f Unit(const cv::Vec3f& v) { return v * (1 / std::sqrt(v.dot(v) + 1e-9f)); }

struct Vertex {
  float u, v;    // pixel of the skin
  float px, py;  // pixel of the fine picture
  float z;
  cv::Vec3f normal;  // towards the camera
};

double PlaneX(int col) { return kSkinLeft + (kSkinRight - kSkinLeft) * col / kMeshColumns; }
double PlaneY(int row) { return kSkinTop - (kSkinTop - kSkinBottom) * row / kMeshRows; }

Vertex MakeVertex(const Skin& skin, const Pose& pose, const Placement& placement, double x,
                  double y) {
  constexpr double kStep = 1e-3;
  const cv::Vec3d p = InSpace(pose, x, y);
  const cv::Vec3d along_x = InSpace(pose, x + kStep, y) - InSpace(pose, x - kStep, y);
  const cv::Vec3d along_y = InSpace(pose, x, y + kStep) - InSpace(pose, x, y - kStep);
  cv::Vec3d normal = along_x.cross(along_y);
  normal *= (normal[2] < 0 ? -1 : 1) / std::sqrt(normal.dot(normal));
  const cv::Point2d flat = Flatten(pose, p);
  Vertex vertex;
  vertex.u = skin.Column(static_cast<float>(x));
  vertex.v = skin.Row(static_cast<float>(y));
  vertex.px =
      static_cast<float>((placement.origin.x + placement.pixels_per_unit * flat.x) * kFiner);
  vertex.py =
      static_cast<float>((placement.origin.y + placement.pixels_per_unit * flat.y) * kFiner);
  vertex.z = static_cast<float>(p[2]);
  vertex.normal = cv::Vec3f(static_cast<float>(normal[0]), static_cast<float>(normal[1]),
                            static_cast<float>(normal[2]));
  return vertex;
}

// Whether any of the skin lies in a cell of the mesh.
bool CellIsBare(const Skin& skin, const Vertex& top_left, const Vertex& bottom_right) {
  const int left = std::max(0, static_cast<int>(top_left.u) - 1),
            top = std::max(0, static_cast<int>(top_left.v) - 1);
  const int right = std::min(skin.alpha.cols, static_cast<int>(bottom_right.u) + 2);
  const int bottom = std::min(skin.alpha.rows, static_cast<int>(bottom_right.v) + 2);
  for (int row = top; row < bottom; ++row) {
    const auto* alpha = skin.alpha.ptr<uint8_t>(row);
    if (std::any_of(alpha + left, alpha + right, [](uint8_t a) { return a != 0; })) return false;
  }
  return true;
}

// Albedo (linear) and coverage of the skin at a fractional pixel.
cv::Vec4f SampleSkin(const Skin& skin, float u, float v) {
  u = std::clamp(u - .5f, 0.0f, static_cast<float>(skin.alpha.cols) - 1.01f);
  v = std::clamp(v - .5f, 0.0f, static_cast<float>(skin.alpha.rows) - 1.01f);
  const int col = static_cast<int>(u), row = static_cast<int>(v);
  const float fu = u - static_cast<float>(col), fv = v - static_cast<float>(row);
  const float w[4] = {(1 - fu) * (1 - fv), fu * (1 - fv), (1 - fu) * fv, fu * fv};
  const uint8_t* alpha[2] = {skin.alpha.ptr<uint8_t>(row) + col,
                             skin.alpha.ptr<uint8_t>(row + 1) + col};
  const float coverage =
      (w[0] * alpha[0][0] + w[1] * alpha[0][1] + w[2] * alpha[1][0] + w[3] * alpha[1][1]) / 255;
  if (coverage <= 0) return {0, 0, 0, 0};
  const auto* above = skin.albedo.ptr<cv::Vec3b>(row) + col;
  const auto* under = skin.albedo.ptr<cv::Vec3b>(row + 1) + col;
  cv::Vec4f sample(0, 0, 0, coverage);
  for (int c = 0; c < 3; ++c) {
    const float root =
        (w[0] * above[0][c] + w[1] * above[1][c] + w[2] * under[0][c] + w[3] * under[1][c]) / 255;
    sample[c] = root * root;
  }
  return sample;
}

// Light on wet skin: sky from above, water from below, the sun, and the sky's mirror image.
class Lamp {
 public:
  explicit Lamp(const Weather& weather) : weather_(weather) {
    halfway_ = Unit(weather.to_sun + cv::Vec3f(0, 0, 1));
    upper_ = (weather.zenith + weather.haze) * .62f;
    lower_ = weather.deep * .5f + weather.haze * .16f;
  }

  Color Shade(const Color& albedo, cv::Vec3f normal, float u, float v) const {
    // Ripples of running water in the skin's own plane.
    const NoiseSample wet = NoiseWithSlope(u * .16f, v * .045f, weather_.noise_seed + 11);
    normal += cv::Vec3f(wet.dx * .10f, wet.dy * .05f, 0);
    const float up = .5f + .5f * normal[1];
    Color light = lower_ + (upper_ - lower_) * up;
    light += weather_.sun * (1.25f * std::max(0.0f, normal.dot(weather_.to_sun)));
    Color color = albedo.mul(light);
    const float facing = Clamp01(normal[2]), glancing = (1 - facing) * (1 - facing);
    const float mirror = .025f + .22f * glancing * (.4f + wet.value);
    color += SkyAt(weather_, .6f * normal[1] + .3f) * mirror;
    float gloss = Clamp01(normal.dot(halfway_));
    for (int i = 0; i < 5; ++i) gloss *= gloss;
    return color + weather_.sun * (gloss * .55f * Step(.35f, .9f, wet.value));
  }

 private:
  const Weather& weather_;
  cv::Vec3f halfway_;
  Color upper_, lower_;
};

struct Canvas {
  cv::Mat color;  // CV_32FC4 premultiplied
  cv::Mat depth;  // CV_32FC1, larger is nearer
};

void FillTriangle(const Skin& skin, const Lamp& lamp, const Vertex& a, const Vertex& b,
                  const Vertex& c, Canvas* canvas) {
  const float area = (b.px - a.px) * (c.py - a.py) - (c.px - a.px) * (b.py - a.py);
  if (std::abs(area) < 1e-6f) return;
  const float per_area = 1 / area;
  const auto [left, right] = std::minmax({a.px, b.px, c.px});
  const auto [top, bottom] = std::minmax({a.py, b.py, c.py});
  const int first_col = std::max(0, static_cast<int>(left)),
            first_row = std::max(0, static_cast<int>(top));
  const int end_col = std::min(canvas->color.cols, static_cast<int>(right) + 1);
  const int end_row = std::min(canvas->color.rows, static_cast<int>(bottom) + 1);
  for (int row = first_row; row < end_row; ++row) {
    const float y = static_cast<float>(row) + .5f;
    for (int col = first_col; col < end_col; ++col) {
      const float x = static_cast<float>(col) + .5f;
      const float wb = ((x - a.px) * (c.py - a.py) - (c.px - a.px) * (y - a.py)) * per_area;
      const float wc = ((b.px - a.px) * (y - a.py) - (x - a.px) * (b.py - a.py)) * per_area;
      const float wa = 1 - wb - wc;
      if (wa < -1e-5f || wb < -1e-5f || wc < -1e-5f) continue;
      const float z = wa * a.z + wb * b.z + wc * c.z;
      float& nearest = canvas->depth.at<float>(row, col);
      if (z <= nearest) continue;
      const float u = wa * a.u + wb * b.u + wc * c.u, v = wa * a.v + wb * b.v + wc * c.v;
      const cv::Vec4f sample = SampleSkin(skin, u, v);
      if (sample[3] <= .02f) continue;
      // u and v may lie a rounding error outside the skin.
      const auto& relief = skin.relief.at<cv::Vec<int8_t, 2>>(
          std::clamp(static_cast<int>(v), 0, skin.relief.rows - 1),
          std::clamp(static_cast<int>(u), 0, skin.relief.cols - 1));
      const cv::Vec3f normal =
          Unit(a.normal * wa + b.normal * wb + c.normal * wc +
               cv::Vec3f(static_cast<float>(relief[0]), static_cast<float>(relief[1]), 0) / 127);
      const float plane =
          240 / skin.pixels_per_unit;  // ripples do not depend on how finely the skin is drawn
      const Color color =
          lamp.Shade({sample[0], sample[1], sample[2]}, normal, u * plane, v * plane);
      canvas->color.at<cv::Vec4f>(row, col) =
          cv::Vec4f(color[0], color[1], color[2], 1) * sample[3];
      nearest = z;
    }
  }
}

cv::Mat Average(const cv::Mat& fine, cv::Size size) {
  cv::Mat out(size, CV_32FC4, cv::Scalar::all(0));
  for (int row = 0; row < fine.rows; ++row) {
    const auto* from = fine.ptr<cv::Vec4f>(row);
    auto* to = out.ptr<cv::Vec4f>(row / kFiner);
    for (int col = 0; col < fine.cols; ++col)
      to[col / kFiner] += from[col] * (1.0f / (kFiner * kFiner));
  }
  return out;
}

}  // namespace

Pose DrawPose(Random& random, double difficulty) {
  const auto around = [&](double limit) { return random.Uniform(-limit, limit); };
  constexpr double kDegree = 3.14159265358979323846 / 180;
  Pose pose;
  pose.yaw_rad = around(18 + 34 * difficulty) * kDegree;
  pose.pitch_rad = random.Uniform(-14 - 22 * difficulty, 10 + 16 * difficulty) * kDegree;
  pose.roll_rad = around(7 + 14 * difficulty) * kDegree;
  const double curl = around(.18 + .3 * difficulty),
               droop = random.Uniform(-.10, .10 + .35 * difficulty);
  for (int side = 0; side < 2; ++side) {
    pose.curl[side] = curl + around(.06 + .1 * difficulty);
    pose.droop[side] = droop + around(.03 + .06 * difficulty);
  }
  pose.cup = around(.25);
  pose.stem_lean = random.Uniform(-.2, .6);
  pose.distance = random.Uniform(4.5, 14);
  return pose;
}

cv::Point2d Project(const Pose& pose, double x, double y) {
  return Flatten(pose, InSpace(pose, x, y));
}

cv::Rect2d Extent(const Skin& skin, const Pose& pose, double waterline_y) {
  constexpr double kFar = std::numeric_limits<double>::max();
  double left = kFar, top = kFar, right = -kFar, bottom = -kFar;
  for (int row = 0; row < skin.alpha.rows; row += 2) {
    const double y = kSkinTop - (row + .5) / skin.pixels_per_unit;
    if (y < waterline_y) break;
    const auto* alpha = skin.alpha.ptr<uint8_t>(row);
    const uint8_t* end = alpha + skin.alpha.cols;
    const auto inside = [](uint8_t a) { return a > 127; };
    const uint8_t* first = std::find_if(alpha, end, inside);
    if (first == end) continue;
    const uint8_t* last =
        std::find_if(std::make_reverse_iterator(end), std::make_reverse_iterator(alpha), inside)
            .base();
    for (const uint8_t* at : {first, last}) {
      const double x = kSkinLeft + static_cast<double>(at - alpha) / skin.pixels_per_unit;
      const cv::Point2d p = Project(pose, x, y);
      left = std::min(left, p.x), right = std::max(right, p.x);
      top = std::min(top, p.y), bottom = std::max(bottom, p.y);
    }
  }
  return {left, top, right - left, bottom - top};
}

cv::Mat RenderFluke(const Skin& skin, const Pose& pose, const Placement& placement,
                    const Weather& weather, cv::Size size) {
  std::vector<Vertex> mesh;
  mesh.reserve((kMeshColumns + 1) * (kMeshRows + 1));
  for (int row = 0; row <= kMeshRows; ++row) {
    for (int col = 0; col <= kMeshColumns; ++col) {
      mesh.push_back(MakeVertex(skin, pose, placement, PlaneX(col), PlaneY(row)));
    }
  }
  const Lamp lamp(weather);
  Canvas canvas{cv::Mat(size * kFiner, CV_32FC4, cv::Scalar::all(0)),
                cv::Mat(size * kFiner, CV_32FC1, cv::Scalar(-1e9))};
  for (int row = 0; row < kMeshRows; ++row) {
    for (int col = 0; col < kMeshColumns; ++col) {
      const Vertex* above = &mesh[static_cast<size_t>(row * (kMeshColumns + 1) + col)];
      const Vertex* under = above + kMeshColumns + 1;
      if (CellIsBare(skin, above[0], under[1])) continue;
      FillTriangle(skin, lamp, above[0], above[1], under[0], &canvas);
      FillTriangle(skin, lamp, above[1], under[1], under[0], &canvas);
    }
  }
  return Average(canvas.color, size);
}

}  // namespace fluke::synth
