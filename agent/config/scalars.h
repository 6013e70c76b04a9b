// The scalar types of towpathd.yaml: text -> value, or the reason why not.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "towpath/base/address.h"
#include "towpath/base/error.h"
#include "towpath/base/ids.h"
#include "towpath/base/prefix.h"

namespace towpath::agent {

// A decimal number in [low, high], in words where that helps ("a port").
template <class T>
auto number_between(T low, T high) {
  return [low, high](std::string_view text) -> Result<T> {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high) {
      return fail(ErrorKind::kInvalid, fmt::format("must be a number from {} to {}", low, high));
    }
    return static_cast<T>(value);
  };
}

// A number of seconds in [low, high].
inline auto seconds_between(std::uint32_t low, std::uint32_t high) {
  return [low, high](std::string_view text) -> Result<std::chrono::seconds> {
    TOWPATH_TRY(const auto seconds, number_between<std::uint32_t>(low, high)(text));
    return std::chrono::seconds(seconds);
  };
}

// One word of a fixed set. `choices` is an array of pairs (word, value) that outlives the parser.
template <class Choices>
auto one_of(const Choices& choices) {
  using T = decltype(choices[0].second);
  return [&choices](std::string_view text) -> Result<std::remove_cvref_t<T>> {
    std::string words;
    for (const auto& [word, value] : choices) {
      if (text == word) return value;
      words += words.empty() ? std::string(word) : fmt::format(", {}", word);
    }
    return fail(ErrorKind::kInvalid, "must be one of " + words);
  };
}

Result<bool> parse_bool(std::string_view text);
// Letters, digits, '-', '.', '_'; 1 to 253 of them, the first a letter or digit.
Result<std::string> parse_name(std::string_view text);
// Absolute, without a NUL.
Result<std::string> parse_path(std::string_view text);
// Absolute and short enough for a Unix socket (sun_path).
Result<std::string> parse_socket_path(std::string_view text);
// One that a BGP session can have as an end: not unspecified, not multicast, not IPv6 link-local (that needs
// an interface).
Result<IpAddress> parse_session_address(std::string_view text);
// One that a BGP speaker can be in: not AS_TRANS, which only stands for others.
Result<AsNumber> parse_speaker_as(std::string_view text);

}  // namespace towpath::agent
