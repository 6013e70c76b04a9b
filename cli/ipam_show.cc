#include "cli/ipam_show.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/local_rows.h"
#include "towpath/ipam/allocation.h"
#include "towpath/ipam/block.h"
#include "towpath/ipam/store_snapshot.h"

namespace towpath::cli {
namespace {

using nlohmann::json;

struct Picture {
  std::vector<ipam::Block> blocks;
  std::vector<ipam::Allocation> allocations;
  std::map<Prefix, std::vector<ipam::RestingAddress>> resting;
  std::chrono::nanoseconds uptime{0};
};

Result<Picture> read_picture(const std::string& state_dir, const IpamView& view) {
  TOWPATH_TRY(const auto store, open_store(state_dir));
  Picture picture;
  TOWPATH_TRY(picture.blocks, store.blocks());
  TOWPATH_TRY(picture.allocations, store.allocations());
  if (view.resting) {
    TOWPATH_TRY(auto snapshot, store.snapshot());
    picture.uptime = snapshot.uptime;
    for (ipam::BlockContents& contents : snapshot.blocks)
      picture.resting[contents.block.prefix] = std::move(contents.resting);
  }
  if (view.block) {
    std::erase_if(picture.blocks, [&](const ipam::Block& b) { return !b.prefix.overlaps(*view.block); });
    std::erase_if(picture.allocations,
                  [&](const ipam::Allocation& a) { return !view.block->contains(a.address); });
  }
  if (!view.container.empty()) {
    std::erase_if(picture.allocations, [&](const ipam::Allocation& a) {
      return !a.attachment.container_id.starts_with(view.container);
    });
    std::erase_if(picture.blocks, [&](const ipam::Block& block) {
      return std::ranges::find(picture.allocations, block.prefix, &ipam::Allocation::block) ==
             picture.allocations.end();
    });
  }
  return picture;
}

json allocation_row(const ipam::Allocation& allocation) {
  return {{"address", allocation.address.to_string()}, {"container_id", allocation.attachment.container_id},
          {"ifname", allocation.attachment.ifname},    {"network", allocation.network},
          {"state", format(allocation.state)},         {"since", format_time(allocation.since)}};
}

// `rested_seconds` is null for an address that has served nobody, so that nobody has to wait for it.
json resting_row(const ipam::Block& block, const ipam::RestingAddress& resting,
                 std::chrono::nanoseconds uptime) {
  json row{{"address", block.prefix.address().plus(resting.offset).to_string()},
           {"block", block.prefix.to_string()},
           {"rested_seconds", nullptr}};
  if (resting.since.count() > 0)
    row["rested_seconds"] = std::chrono::duration_cast<std::chrono::seconds>(uptime - resting.since).count();
  return row;
}

json block_row(const ipam::Block& block, const Picture& picture, const IpamView& view) {
  const auto is_pending = [&](const ipam::Allocation& a) {
    return a.block == block.prefix && a.state == ipam::AllocationState::kPending;
  };
  json row{{"block", block.prefix.to_string()},
           {"family", format(block.prefix.family())},
           {"state", format(block.state)},
           {"size", block.size()},
           {"used", block.used},
           {"pending", std::ranges::count_if(picture.allocations, is_pending)},
           {"resting", block.resting},
           {"free", block.free()}};
  if (view.is_of_allocations()) {
    json& list = row["allocations"] = json::array();
    for (const auto& allocation : picture.allocations) {
      if (allocation.block == block.prefix) list.push_back(allocation_row(allocation));
    }
  }
  if (view.resting) {
    json& list = row["resting_addresses"] = json::array();
    if (const auto found = picture.resting.find(block.prefix); found != picture.resting.end()) {
      for (const auto& resting : found->second) list.push_back(resting_row(block, resting, picture.uptime));
    }
  }
  return row;
}

Status print_resting(const Picture& picture, Output& output) {
  for (const ipam::Block& block : picture.blocks) {
    const auto found = picture.resting.find(block.prefix);
    if (found == picture.resting.end()) continue;
    for (const auto& resting : found->second) {
      if (!output.row(to_line(resting_row(block, resting, picture.uptime)))) return {};
    }
  }
  return {};
}

}  // namespace

Status print_ipam(const std::string& state_dir, const IpamView& view, Format format, Output& output) {
  TOWPATH_TRY(const Picture picture, read_picture(state_dir, view));
  const bool is_table = format == Format::kTable;
  if (is_table && view.resting) return print_resting(picture, output);
  if (is_table && view.is_of_allocations()) {
    for (const auto& allocation : picture.allocations) {
      if (!output.row(to_line(allocation_row(allocation)))) return {};
    }
    return {};
  }
  for (const auto& block : picture.blocks) {
    if (!output.row(to_line(block_row(block, picture, view)))) return {};
  }
  return {};
}

}  // namespace towpath::cli
