#include <nlohmann/json.hpp>

#include "cli/output.h"

namespace towpath::cli {
namespace {

// 16 for what is no digit.
unsigned digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  return 16;
}

}  // namespace

bool MrtOutput::row(std::string_view json) {
  const auto row = nlohmann::json::parse(json, nullptr, false);
  const std::string text = row.is_object() ? row.value("mrt", "") : "";
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    const unsigned value = digit(text[i]) << 4U | digit(text[i + 1]);
    bytes += static_cast<char>(value);
  }
  return std::fwrite(bytes.data(), 1, bytes.size(), stream_) == bytes.size();
}

}  // namespace towpath::cli
