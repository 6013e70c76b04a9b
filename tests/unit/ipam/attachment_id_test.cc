#include "towpath/ipam/attachment_id.h"

#include <gtest/gtest.h>

using namespace std::literals;

namespace towpath::ipam {
namespace {

TEST(AttachmentId, TakesIdentifiersOfTheSpecification) {
  for (const auto& text : {"a"sv, "0"sv, "Abc_1.2-3"sv}) EXPECT_TRUE(is_cni_identifier(text)) << text;
  for (const auto& text : {""sv, "-a"sv, ".a"sv, "_a"sv, "a b"sv, "a/b"sv, "\xC3\xA9"sv, "a\0"sv}) {
    EXPECT_FALSE(is_cni_identifier(text)) << text;
  }
}

TEST(AttachmentId, TakesInterfaceNamesThatTheKernelKeepsAsTheyAre) {
  for (const auto& text : {"eth0"sv, "a"sv, "123456789012345"sv, "all0"sv, "a.b-c_d"sv, "\xC3\xA9"sv}) {
    EXPECT_TRUE(is_interface_name(text)) << text;
  }
  for (const auto& text : {""sv, "1234567890123456"sv, "."sv, ".."sv, "all"sv, "default"sv, "eth%d"sv,
                           "a/b"sv, "a:b"sv, "a b"sv, "a\n"sv, "a\x7F"sv}) {
    EXPECT_FALSE(is_interface_name(text)) << text;
  }
}

}  // namespace
}  // namespace towpath::ipam
