// A small text file in the state directory that is replaced as a whole and holds until the next boot of the
// host: a title, which says what it is, the boot, and the text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "towpath/base/error.h"

namespace towpath::agent {

class BootFile {
 public:
  // `boot_id`: of this boot.
  BootFile(std::string path, std::string_view title, std::string boot_id)
      : path_(std::move(path)), title_(title), boot_id_(std::move(boot_id)) {}

  const std::string& path() const { return path_; }

  Status store(std::string_view text) const;
  // The text; nothing where there is no file, or one of another boot. kCorrupt: it has another title.
  Result<std::optional<std::string>> load() const;
  // Also where there is none.
  Status remove() const;

 private:
  std::string path_;
  std::string title_;
  std::string boot_id_;
};

}  // namespace towpath::agent
