#include "train/data/transforms.h"

#include "train/data/transform_list.h"

namespace fluke::train {
namespace {

using enum ParamForm;

constexpr ParamRow kGaussNoise[] = {
    {"std_range", kRange, 0.2, 0.44, 0, 1, "standard deviation, share of 255"},
    {"mean_range", kRange, 0, 0, -1, 1, "mean, share of 255"},
    {"per_channel", kNumber, 1, 1, 0, 1, "0: the same noise for all channels"},
};
constexpr ParamRow kBlur[] = {{"blur_limit", kUpTo, 3, 7, 3, 255, "side of the box, odd, px"}};
constexpr ParamRow kMotionBlur[] = {
    {"blur_limit", kUpTo, 3, 7, 3, 255, "length of the line, odd, px"},
    {"angle_range", kRange, 0, 360, -360, 360, "direction of the line, degrees"},
    {"direction_range", kRange, -1, 1, -1, 1, "-1 backward, 0 both ways, 1 forward"},
    {"allow_shifted", kNumber, 1, 1, 0, 1, "1: the line may stand beside the pixel"},
};
constexpr ParamRow kRain[] = {
    {"slant_range", kRange, -10, 10, -45, 45, "sideways run of a drop, px"},
    {"density", kRange, 1.0 / 3, 1.0 / 3, 0, 8,
     "drops for a pixel of height (drizzle .25, heavy 1, torrential 2)"},
    {"drop_length", kNumber, 0, 0, 0, 4096, "px; 0: an eighth of the height"},
    {"drop_width", kNumber, 1, 1, 1, 64, "px"},
    {"drop_color", kNumber, 200, 200, 0, 255, "grey value"},
    {"blur_value", kNumber, 7, 7, 1, 255, "side of the blur, px"},
    {"brightness_coefficient", kNumber, 0.7, 0.7, 0, 1, "brightness that is left"},
};
constexpr ParamRow kRgbShift[] = {
    {"r_shift_limit", kSymmetric, -20, 20, -255, 255, "added to red"},
    {"g_shift_limit", kSymmetric, -20, 20, -255, 255, "added to green"},
    {"b_shift_limit", kSymmetric, -20, 20, -255, 255, "added to blue"},
};
constexpr ParamRow kBrightnessContrast[] = {
    {"brightness_limit", kSymmetric, -0.2, 0.2, -1, 1, "added, share of 255"},
    {"contrast_limit", kSymmetric, -0.2, 0.2, -1, 1, "factor less 1"},
    {"brightness_by_max", kNumber, 1, 1, 0, 1, "0: share of the picture's mean instead of 255"},
};
constexpr ParamRow kHueSaturationValue[] = {
    {"hue_shift_limit", kSymmetric, -20, 20, -180, 180, "added to the hue, units of 2 degrees"},
    {"sat_shift_limit", kSymmetric, -30, 30, -255, 255, "added to the saturation"},
    {"val_shift_limit", kSymmetric, -20, 20, -255, 255, "added to the value"},
};
constexpr ParamRow kSharpen[] = {
    {"alpha", kRange, 0.2, 0.5, 0, 1, "share of the sharpened picture"},
    {"lightness", kRange, 0.5, 1, 0, 8, "weight of the picture itself in the sharpened one"},
};
constexpr ParamRow kPerspective[] = {
    {"scale", kUpTo, 0.05, 0.1, 0, 1, "deviation of the corners, share of the side"}};
constexpr ParamRow kElastic[] = {
    {"alpha", kRange, 120, 120, 0, 10000, "largest displacement before smoothing, px"},
    {"sigma", kRange, 6, 6, 0.5, 1000, "smoothing, px"},
};
constexpr ParamRow kRotate[] = {
    {"limit", kSymmetric, -90, 90, -360, 360, "angle, degrees, counter-clockwise"},
    {"fill", kNumber, 0, 0, 0, 255, "grey value outside the picture"},
};
constexpr ParamRow kAffine[] = {
    {"scale", kRange, 1, 1, 0.01, 100, "zoom of each axis"},
    {"translate_percent", kRange, 0, 0, -1, 1, "shift, share of the side"},
    {"rotate", kRange, 0, 0, -360, 360, "angle, degrees, counter-clockwise"},
    {"shear", kRange, 0, 0, -80, 80, "of each axis, degrees"},
    {"keep_ratio", kNumber, 0, 0, 0, 1, "1: both axes zoom alike"},
    {"fill", kNumber, 0, 0, 0, 255, "grey value outside the picture"},
};
constexpr ParamRow kCoarseDropout[] = {
    {"num_holes_range", kRange, 1, 2, 0, 10000, "boxes"},
    {"hole_height_range", kRange, 0.1, 0.2, 0, 4096, "share of the height (below 1), or px"},
    {"hole_width_range", kRange, 0.1, 0.2, 0, 4096, "share of the width (below 1), or px"},
    {"fill", kNumber, 0, 0, 0, 255, "grey value"},
};
constexpr ParamRow kGamma[] = {{"gamma_limit", kUpTo, 80, 120, 1, 1000, "exponent, percent"}};
constexpr ParamRow kRandomResizedCrop[] = {
    {"scale", kRange, 0.08, 1, 0.0001, 1, "share of the area"},
    {"ratio", kRange, 0.75, 4.0 / 3, 0.01, 100, "width / height"},
};
constexpr ParamRow kRandomErasing[] = {
    {"scale", kRange, 0.02, 0.33, 0, 1, "share of the area"},
    {"ratio", kRange, 0.3, 3.3, 0.01, 100, "height / width"},
    {"fill", kNumber, 0, 0, 0, 255, "grey value"},
};
constexpr ParamRow kGaussianBlur[] = {
    {"sigma_limit", kUpTo, 0.5, 3, 0.01, 100, "deviation, px"},
    {"blur_limit", kRange, 0, 0, 0, 255, "side of the kernel, odd, px; 0: by sigma"},
};

constexpr TransformRow kTransforms[] = {
    {"gauss_noise", GaussNoise, "Gaussian noise", kGaussNoise},
    {"blur", Blur, "box blur", kBlur},
    {"motion_blur", MotionBlur, "blur along a line", kMotionBlur},
    {"rain", Rain, "streaks of rain, darker", kRain},
    {"rgb_shift", RgbShift, "a constant added to each channel", kRgbShift},
    {"brightness_contrast", BrightnessContrast, "brightness and contrast", kBrightnessContrast},
    {"hue_saturation_value", HueSaturationValue, "shifts in HSV", kHueSaturationValue},
    {"sharpen", Sharpen, "stronger edges", kSharpen},
    {"perspective", Perspective, "another point of view: corners move inwards", kPerspective},
    {"elastic", Elastic, "smooth random displacement", kElastic},
    {"rotate", Rotate, "rotation about the centre", kRotate},
    {"affine", Affine, "zoom, shift, rotation, shear", kAffine},
    {"coarse_dropout", CoarseDropout, "occlusion by boxes", kCoarseDropout},
    {"horizontal_flip", HorizontalFlip, "left and right exchanged", {}},
    {"vertical_flip", VerticalFlip, "top and bottom exchanged", {}},
    {"gamma", Gamma, "gamma correction", kGamma},
    {"to_gray", ToGray, "luma in all channels", {}},
    {"gaussian_blur", GaussianBlur, "Gaussian blur", kGaussianBlur},
    {"random_resized_crop", RandomResizedCrop, "a random box blown up to the whole",
     kRandomResizedCrop},
    {"random_erasing", RandomErasing, "occlusion by one box", kRandomErasing},
};

}  // namespace

std::span<const TransformRow> Transforms() { return kTransforms; }

}  // namespace fluke::train
