#include "index/local/local_index.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/error.h"
#include "common/parallel.h"

namespace fluke {
namespace {

std::unique_ptr<const DescriptorIndex> OpenDescriptors(const std::filesystem::path& index,
                                                       const LocalFiles& files) {
  if (files.descriptor_lists.bytes().empty()) {
    return std::make_unique<DescriptorIndex>(files.descriptors);
  }
  auto descriptors = std::make_unique<DescriptorIndex>(
      files.descriptor_lists.text(), files.manifest.points,
      (layout::LocalFolder(index) / layout::kDescriptorListsFile).string());
  files.descriptor_lists.Release();
  return descriptors;
}

ItemTable OpenItems(const std::filesystem::path& index, const LocalFiles& files) {
  const std::string name = (layout::LocalFolder(index) / layout::kLocalItemsFile).string();
  ItemTable items = ReadItemTable(files.items.text(), name);
  if (items.rows() != files.manifest.photos) {
    DataLoss(name, ": damaged: ", items.rows(), " items, expected ", files.manifest.photos);
  }
  return items;
}

void CheckOptions(const LocalSearchOptions& options) {
  if (options.neighbors < 1 || options.neighbors > 1000) {
    InvalidArgument("neighbors is ", options.neighbors, "; expected 1 to 1000");
  }
  if (options.verify < 0 || options.nprobe < 0) {
    InvalidArgument("verify ", options.verify, " and nprobe ", options.nprobe,
                    ": expected 0 or more");
  }
}

LocalHit Unverified(PhotoVotes votes, const LocalSearchOptions& options) {
  return {.photo = votes.photo,
          .score = votes.score * (options.verify == 0 ? 1 : kUnverifiedShare),
          .verified = false,
          .pairs = std::move(votes.pairs)};
}

void BestFirst(std::vector<LocalHit>* hits) {
  std::sort(hits->begin(), hits->end(), [](const LocalHit& a, const LocalHit& b) {
    return a.score != b.score ? a.score > b.score : a.photo < b.photo;
  });
}

}  // namespace

LocalIndex::LocalIndex(const std::filesystem::path& index)
    : files_(index),
      items_(OpenItems(index, files_)),
      descriptors_(OpenDescriptors(index, files_)) {
  for (const LocalPhoto& photo : files_.photos) first_point_.push_back(photo.first_point);
  first_point_.push_back(files_.manifest.points);
}

LocalFeatures LocalIndex::features(int64_t photo) const {
  const auto number = static_cast<size_t>(photo);
  const LocalPhoto& record = files_.photos[number];
  const auto first = static_cast<size_t>(first_point_[number]);
  const auto count = static_cast<size_t>(first_point_[number + 1]) - first;
  const auto points = files_.key_points.subspan(first, count);
  const auto codes = files_.descriptors.subspan(first * kDescriptorBytes, count * kDescriptorBytes);
  return {.width = record.width,
          .height = record.height,
          .key_points = {points.begin(), points.end()},
          .descriptors = {codes.begin(), codes.end()},
          .part = record.part};
}

std::vector<PhotoVotes> LocalIndex::Vote(const LocalFeatures& query,
                                         const LocalSearchOptions& options,
                                         int64_t left_out) const {
  CheckOptions(options);
  DescriptorRange range;
  if (left_out >= 0) {
    const auto number = static_cast<size_t>(left_out);
    range = {.begin = first_point_.at(number), .end = first_point_.at(number + 1)};
  }
  return VotesByPhoto(LnbnnVotes(descriptors_->Search(query.descriptors, options.neighbors + 1,
                                                      range, options.nprobe)),
                      first_point_);
}

LocalHit LocalIndex::Verified(const LocalFeatures& query, PhotoVotes votes,
                              const LocalSearchOptions& options) const {
  VerifiedPairs verified = VerifyPairs(query, features(votes.photo), votes.pairs, options.geometry);
  if (verified.pairs.empty()) return Unverified(std::move(votes), options);
  return {.photo = votes.photo,
          .score = verified.weight,
          .verified = true,
          .pairs = std::move(verified.pairs)};
}

std::vector<LocalHit> LocalIndex::Search(const LocalFeatures& query,
                                         const LocalSearchOptions& options,
                                         int64_t left_out) const {
  std::vector<PhotoVotes> votes = Vote(query, options, left_out);
  std::vector<LocalHit> hits(votes.size());
  ParallelFor(static_cast<int64_t>(votes.size()), HardwareThreads(), [&](int64_t i, int) {
    PhotoVotes& photo = votes[static_cast<size_t>(i)];
    hits[static_cast<size_t>(i)] = i < options.verify ? Verified(query, std::move(photo), options)
                                                      : Unverified(std::move(photo), options);
  });
  BestFirst(&hits);
  if (options.by_individual) RankByIndividual(options, &hits);
  return hits;
}

void LocalIndex::RankByIndividual(const LocalSearchOptions& options,
                                  std::vector<LocalHit>* hits) const {
  std::vector<PhotoVotes> votes;
  for (const LocalHit& hit : *hits) {
    PhotoVotes& of_photo = votes.emplace_back();
    of_photo.photo = hit.photo;
    of_photo.pairs = hit.pairs;
    if (hit.verified || options.verify == 0) continue;
    for (PointPair& pair : of_photo.pairs) pair.weight *= static_cast<float>(kUnverifiedShare);
  }
  const std::vector<double> scores =
      IndividualScores(votes, [this](int64_t photo) { return int64_t{identity_number(photo)}; });
  for (size_t i = 0; i < hits->size(); ++i) (*hits)[i].score = scores[i];
  // They come best photograph first, and stay so among those of an individual.
  std::stable_sort(hits->begin(), hits->end(),
                   [](const LocalHit& a, const LocalHit& b) { return a.score > b.score; });
}

std::vector<LocalHit> LocalIndex::Score(const LocalFeatures& query,
                                        std::span<const int64_t> shortlist,
                                        const LocalSearchOptions& options, int64_t left_out) const {
  std::vector<PhotoVotes> votes = Vote(query, options, left_out);
  absl::flat_hash_map<int64_t, size_t> place;
  for (size_t i = 0; i < votes.size(); ++i) place.emplace(votes[i].photo, i);
  std::vector<LocalHit> hits(shortlist.size());
  ParallelFor(static_cast<int64_t>(shortlist.size()), HardwareThreads(), [&](int64_t i, int) {
    const auto number = static_cast<size_t>(i);
    const auto found = place.find(shortlist[number]);
    hits[number] = found == place.end()  ? LocalHit{.photo = shortlist[number], .pairs = {}}
                   : options.verify == 0 ? Unverified(votes[found->second], options)
                                         : Verified(query, votes[found->second], options);
  });
  return hits;
}

}  // namespace fluke
