// What makes each step of the table in steps.cc; settings and sources are in config.proto
// (RankingStep). All throw InvalidArgument for settings that do not fit the gallery.
#pragma once

#include <memory>

#include "index/ranking/step.h"

namespace fluke::ranking {

using GalleryPtr = std::shared_ptr<const Gallery>;
using StepPtr = std::unique_ptr<const Step>;

GalleryPtr MakeMetaEmbedding(const v1::RankingStep&, GalleryPtr, const StepContext&);
GalleryPtr MakeWhitening(const v1::RankingStep&, GalleryPtr, const StepContext&);
GalleryPtr MakeDatabaseAugmentation(const v1::RankingStep&, GalleryPtr, const StepContext&);

StepPtr MakeQueryExpansion(const v1::RankingStep&, GalleryPtr, const StepContext&);
StepPtr MakeKReciprocal(const v1::RankingStep&, GalleryPtr, const StepContext&);
StepPtr MakeDiffusion(const v1::RankingStep&, GalleryPtr, const StepContext&);
StepPtr MakePrototypes(const v1::RankingStep&, GalleryPtr, const StepContext&);
StepPtr MakeScoreNormalisation(const v1::RankingStep&, GalleryPtr, const StepContext&);
StepPtr MakeFusion(const v1::RankingStep&, GalleryPtr, const StepContext&);
StepPtr MakeLocalEvidence(const v1::RankingStep&, GalleryPtr, const StepContext&);

}  // namespace fluke::ranking
