// The leases on disk, so that a restart of the agent withdraws nothing that somebody still has a lease of.
//
// It holds monotonic times, which count from the boot of the host: what an earlier boot left is not read.
#pragma once

#include <string>
#include <vector>

#include "agent/advertise/boot_file.h"
#include "agent/advertise/lease_table.h"
#include "towpath/base/error.h"

namespace towpath::agent {

class LeaseFile {
 public:
  // `boot_id`: of this boot.
  LeaseFile(std::string path, std::string boot_id);

  Status store(const std::vector<Lease>& leases) const;
  // No file, and a file of another boot, are no leases. kCorrupt: it is no such file.
  Result<std::vector<Lease>> load() const;

 private:
  BootFile file_;
};

}  // namespace towpath::agent
