// A state store in a directory of its own, and requests to it.
#pragma once

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "tests/support/temporary_directory.h"
#include "towpath/ipam/state_store.h"

namespace towpath::test {

inline ipam::ReserveRequest request(const std::string& container, std::uint64_t inode = 1) {
  ipam::ReserveRequest r;
  r.attachment = {container, "eth0"};
  r.network = "net";
  r.sandbox = "/run/netns/" + container;
  r.sandbox_inode = inode;
  r.now = WallTime(std::chrono::seconds(1700000000));
  return r;
}

class StoreFixture : public testing::Test {
 protected:
  ipam::StateStore open() {
    auto store = ipam::StateStore::open(directory_.path(), ipam::StateStore::OpenMode::kCreate);
    if (!store) throw std::runtime_error(store.error().message);
    return *std::move(store);
  }
  std::string data() const { return directory_.path() + "/db/data.mdb"; }
  TemporaryDirectory directory_;
};

}  // namespace towpath::test
