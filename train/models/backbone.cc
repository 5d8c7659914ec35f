#include "train/models/backbone.h"

namespace fluke::train {
namespace {

constexpr BackboneRow kBackbones[] = {
    {"conv4", MakeConv4,
     "four 3x3 convolutions with batch norm and pooling (Vinyals et al. 2016); `width` channels"},
    {"resnet18", MakeResnet18, "ResNet-18 (He et al. 2015), torchvision's layout and names"},
    {"resnet34", MakeResnet34, "ResNet-34, the whale recipe's first model"},
    {"resnet50", MakeResnet50,
     "ResNet-50 with the stride on the 3x3 convolution (torchvision, \"v1.5\")"},
    {"densenet121", MakeDensenet121,
     "DenseNet-121 (Huang et al. 2016), the whale recipe's second model"},
};

}  // namespace

std::span<const BackboneRow> Backbones() { return kBackbones; }

}  // namespace fluke::train
