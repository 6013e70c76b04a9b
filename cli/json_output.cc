#include "cli/output.h"

namespace towpath::cli {

bool JsonOutput::row(std::string_view json) {
  std::fputs(first_ ? "[\n" : ",\n", stream_);
  first_ = false;
  return std::fwrite(json.data(), 1, json.size(), stream_) == json.size();
}

void JsonOutput::end() {
  std::fputs(first_ ? "[]\n" : "\n]\n", stream_);
}

}  // namespace towpath::cli
