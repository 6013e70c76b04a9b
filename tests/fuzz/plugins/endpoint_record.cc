// A record of the state store: one byte of key length, the key, the value. What decodes, encodes to the same
// bytes or to bytes that decode to the same record.
#include <cstdlib>
#include <span>

#include "ipam/record_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace towpath::ipam;
  const auto bytes = std::as_bytes(std::span(data, size));
  if (bytes.empty()) return 0;
  const std::size_t key_size = std::min<std::size_t>(data[0], size - 1);
  const auto key = bytes.subspan(1, key_size);
  const auto value = bytes.subspan(1 + key_size);
  const auto record = decode_endpoint(key, value);
  if (!record) return 0;
  const auto encoded = encode(*record);
  if (!encoded) std::abort();
  const auto again = decode_endpoint(key, *encoded);
  if (!again || *again != *record) std::abort();
  return 0;
}
