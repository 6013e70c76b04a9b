#include "towpath/base/byte_reader.h"

#include <gtest/gtest.h>

#include "towpath/base/byte_writer.h"

namespace towpath {
namespace {

TEST(ByteReader, ReadsWhatByteWriterWrote) {
  std::vector<std::byte> buffer;
  ByteWriter writer(buffer);
  writer.u8(1);
  writer.u16(0x0203);
  writer.u32(0x04050607);
  writer.u64(0x08090A0B0C0D0E0F);
  writer.zeros(2);
  writer.patch_u16(15, 0xBEEF);
  ByteReader reader(buffer);
  EXPECT_EQ(reader.u8(), 1);
  EXPECT_EQ(reader.u16(), 0x0203);
  EXPECT_EQ(reader.u32(), 0x04050607U);
  EXPECT_EQ(reader.u64(), 0x08090A0B0C0D0E0FU);
  EXPECT_EQ(reader.u16(), 0xBEEF);
  EXPECT_TRUE(reader.ok());
  EXPECT_TRUE(reader.at_end());
}

TEST(ByteReader, AReadPastTheEndFailsForGoodAndMovesNothing) {
  const std::array<std::byte, 3> bytes{std::byte{1}, std::byte{2}, std::byte{3}};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.u32(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.position(), 0U);
  EXPECT_EQ(reader.u8(), 0) << "still failed, though a byte would be there";
}

TEST(ByteReader, SubReaderIsBounded) {
  const std::array<std::byte, 4> bytes{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  ByteReader reader(bytes);
  ByteReader inner = reader.sub(2);
  EXPECT_EQ(inner.u16(), 0x0102);
  EXPECT_EQ(inner.u8(), 0);
  EXPECT_FALSE(inner.ok());
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.u16(), 0x0304);
}

}  // namespace
}  // namespace towpath
