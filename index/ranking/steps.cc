// The table of ranking steps.
#include "index/ranking/step.h"
#include "index/ranking/steps/factories.h"

namespace fluke::ranking {

std::span<const StepRow> Steps() {
  static constexpr StepRow kSteps[] = {
      {"meta_embedding", "weighs the models of a concatenated embedding", MakeMetaEmbedding,
       nullptr},
      {"whitening", "PCA and whitening: dimension 0 (all), power 1", MakeWhitening, nullptr},
      {"database_augmentation", "gallery vectors averaged with their neighbours: k 10, alpha 3",
       MakeDatabaseAugmentation, nullptr},
      {"query_expansion",
       "the query averaged with its neighbours: k 10, alpha 3 (0: plain average)", nullptr,
       MakeQueryExpansion},
      {"fusion", "rankings by each model's part become one: reciprocal_rank, borda, weighted_sum",
       nullptr, MakeFusion},
      {"k_reciprocal", "who has whom among its neighbours: k1 20, k2 6, lambda .3", nullptr,
       MakeKReciprocal},
      {"diffusion", "scores spread over the neighbour graph: kq 10, kd 50, gamma 3, alpha .99",
       nullptr, MakeDiffusion},
      {"prototypes", "an item's score mixed with its individual's: weight .5", nullptr,
       MakePrototypes},
      {"score_normalisation", "scores made comparable: s_norm, z_norm, min_max", nullptr,
       MakeScoreNormalisation},
      {"local_evidence", "what key points have in common with the query's: shortlist 100, by both",
       nullptr, MakeLocalEvidence},
  };
  return kSteps;
}

}  // namespace fluke::ranking
