#include "index/local/local_index.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/error.h"
#include "common/parallel.h"
#include "index/change_log.h"
#include "index/local/stored_features.h"
#include "index/stored_item.h"

namespace fluke {
namespace {

// Numbers of individuals that the files do not know begin beyond theirs.
constexpr int32_t kNewIdentities = 1 << 30;

std::unique_ptr<DescriptorIndex> OpenDescriptors(const std::filesystem::path& index,
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
    : files_(index), items_(OpenItems(index, files_)) {
  {
    const std::unique_lock lock(mutex_);
    descriptors_ = OpenDescriptors(index, files_);
    for (const LocalPhoto& photo : files_.photos) first_point_.push_back(photo.first_point);
    first_point_.push_back(files_.manifest.points);
  }
  ReadLog(layout::LocalFolder(index), kLocalLog, 0,
          [this](int64_t sequence, const v1::ChangeRecord& record) { Apply(sequence, record); });
}

void LocalIndex::Apply(int64_t sequence, const v1::ChangeRecord& record) {
  const std::string name = StrCat("change ", sequence, " of local evidence");
  if (record.put_features_size() != record.put_size()) {
    DataLoss(name, ": damaged: ", record.put_size(), " photographs, key points of ",
             record.put_features_size());
  }
  {
    const std::unique_lock lock(mutex_);
    for (const std::string& id : record.removed()) Forget(id);
  }
  for (int i = 0; i < record.put_size(); ++i) {
    Put(FromStored(record.put(i)), FromStored(record.put_features(i), name));
  }
  const std::unique_lock lock(mutex_);
  for (const v1::StoredItem& updated : record.updated()) {
    const auto photo = Find(updated.id());
    if (photo) known_[*photo] = KnownOf(FromStored(updated));
  }
  sequence_ = sequence;
}

void LocalIndex::Forget(std::string_view id) {
  const auto photo = Find(id);
  if (!photo) return;
  photo_of_id_[std::string(id)] = -1;
  const DescriptorRange range = PointsOf(*photo);
  const auto after =
      std::upper_bound(gone_.begin(), gone_.end(), range.begin,
                       [](int64_t row, const DescriptorRange& other) { return row < other.begin; });
  if (range.begin < range.end) gone_.insert(after, range);
}

void LocalIndex::Put(Item item, LocalFeatures features) {
  const std::unique_lock lock(mutex_);
  Forget(item.id);
  descriptors_->Add(features.descriptors);
  const auto photo = static_cast<int64_t>(first_point_.size()) - 1;
  first_point_.push_back(first_point_.back() + features.size());
  added_.push_back(std::move(features));
  photo_of_id_[item.id] = photo;
  known_[photo] = KnownOf(std::move(item));
}

LocalIndex::Known LocalIndex::KnownOf(Item item) {
  int32_t identity = -1;
  if (const auto number = items_.FindIdentity(item.identity)) {
    identity = *number;
  } else if (!item.identity.empty()) {
    identity = new_identities_
                   .try_emplace(item.identity,
                                kNewIdentities + static_cast<int32_t>(new_identities_.size()))
                   .first->second;
  }
  return {.item = std::move(item), .identity = identity};
}

std::optional<int64_t> LocalIndex::Find(std::string_view id) const {
  const auto found = photo_of_id_.find(std::string(id));
  if (found == photo_of_id_.end()) return items_.FindId(id);
  return found->second < 0 ? std::nullopt : std::optional(found->second);
}

int32_t LocalIndex::IdentityOf(int64_t photo) const {
  const auto known = known_.find(photo);
  return known == known_.end() ? items_.identity_number(photo) : known->second.identity;
}

DescriptorRange LocalIndex::PointsOf(int64_t photo) const {
  const auto number = static_cast<size_t>(photo);
  return {.begin = first_point_.at(number), .end = first_point_.at(number + 1)};
}

LocalFeatures LocalIndex::FeaturesOf(int64_t photo) const {
  const auto number = static_cast<size_t>(photo);
  if (number >= files_.photos.size()) return added_.at(number - files_.photos.size());
  const LocalPhoto& record = files_.photos[number];
  const DescriptorRange range = PointsOf(photo);
  const auto first = static_cast<size_t>(range.begin);
  const auto count = static_cast<size_t>(range.end - range.begin);
  const auto points = files_.key_points.subspan(first, count);
  const auto codes = files_.descriptors.subspan(first * kDescriptorBytes, count * kDescriptorBytes);
  return {.width = record.width,
          .height = record.height,
          .key_points = {points.begin(), points.end()},
          .descriptors = {codes.begin(), codes.end()},
          .part = record.part};
}

int64_t LocalIndex::sequence() const {
  const std::shared_lock lock(mutex_);
  return sequence_;
}

int64_t LocalIndex::photos() const {
  const std::shared_lock lock(mutex_);
  return static_cast<int64_t>(first_point_.size()) - 1;
}

int64_t LocalIndex::points() const {
  const std::shared_lock lock(mutex_);
  return first_point_.back();
}

Item LocalIndex::item(int64_t photo) const {
  const std::shared_lock lock(mutex_);
  const auto known = known_.find(photo);
  return known == known_.end() ? items_.item(photo) : known->second.item;
}

int32_t LocalIndex::identity_number(int64_t photo) const {
  const std::shared_lock lock(mutex_);
  return IdentityOf(photo);
}

std::optional<int64_t> LocalIndex::FindPhoto(std::string_view id) const {
  const std::shared_lock lock(mutex_);
  return Find(id);
}

LocalFeatures LocalIndex::features(int64_t photo) const {
  const std::shared_lock lock(mutex_);
  return FeaturesOf(photo);
}

std::vector<PhotoVotes> LocalIndex::Vote(const LocalFeatures& query,
                                         const LocalSearchOptions& options,
                                         int64_t left_out) const {
  CheckOptions(options);
  std::vector<DescriptorRange> ranges = gone_;
  if (left_out >= 0) {
    ranges.push_back(PointsOf(left_out));
    std::ranges::sort(ranges, {}, &DescriptorRange::begin);
  }
  return VotesByPhoto(LnbnnVotes(descriptors_->Search(query.descriptors, options.neighbors + 1,
                                                      ranges, options.nprobe)),
                      first_point_);
}

LocalHit LocalIndex::Verified(const LocalFeatures& query, PhotoVotes votes,
                              const LocalSearchOptions& options) const {
  VerifiedPairs verified =
      VerifyPairs(query, FeaturesOf(votes.photo), votes.pairs, options.geometry);
  if (verified.pairs.empty()) return Unverified(std::move(votes), options);
  return {.photo = votes.photo,
          .score = verified.weight,
          .verified = true,
          .pairs = std::move(verified.pairs)};
}

std::vector<LocalHit> LocalIndex::Search(const LocalFeatures& query,
                                         const LocalSearchOptions& options,
                                         int64_t left_out) const {
  const std::shared_lock lock(mutex_);
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
      IndividualScores(votes, [this](int64_t photo) { return int64_t{IdentityOf(photo)}; });
  for (size_t i = 0; i < hits->size(); ++i) (*hits)[i].score = scores[i];
  // They come best photograph first, and stay so among those of an individual.
  std::stable_sort(hits->begin(), hits->end(),
                   [](const LocalHit& a, const LocalHit& b) { return a.score > b.score; });
}

std::vector<LocalHit> LocalIndex::Score(const LocalFeatures& query,
                                        std::span<const int64_t> shortlist,
                                        const LocalSearchOptions& options, int64_t left_out) const {
  const std::shared_lock lock(mutex_);
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
