#include "base/npy.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Bytes at an aligned place.
class Bytes {
 public:
  explicit Bytes(std::string_view text) : words_(text.size() / 8 + 1), size_(text.size()) {
    std::memcpy(words_.data(), text.data(), text.size());
  }
  std::span<const std::byte> span() const { return std::as_bytes(std::span(words_)).first(size_); }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t size_;
};

std::string with_floats(std::string header, std::vector<float> values) {
  return header.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

TEST(Npy, ReadsWhatItWrites) {
  const Bytes bytes(with_floats(npy_header(NpyType::kFloat32, 2, 3), {1, 2, 3, 4, 5, 6}));
  const NpyView view = parse_npy(bytes.span(), "a.npy").value();
  EXPECT_EQ(view.rows, 2u);
  EXPECT_EQ(view.columns, 3u);
  EXPECT_EQ(view.dimensions, 2);
  EXPECT_THAT(view.floats(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(npy_header(NpyType::kFloat32, 2, 3).size() % 64, 0u);
}

TEST(Npy, OfOneDimensionAndOtherTypes) {
  std::string text = npy_header(NpyType::kInt64, 2, 0);
  const std::int64_t values[] = {-1, 1LL << 40};
  text.append(reinterpret_cast<const char*>(values), sizeof values);
  const Bytes bytes(text);
  const NpyView view = parse_npy(bytes.span(), "a.npy").value();
  EXPECT_EQ(view.dimensions, 1);
  EXPECT_EQ(view.columns, 1u);
  EXPECT_THAT(view.int64s(), ElementsAre(-1, 1LL << 40));
  const Bytes none(npy_header(NpyType::kInt32, 0, 0));
  EXPECT_TRUE(parse_npy(none.span(), "a.npy").value().int32s().empty());
}

TEST(Npy, ReadsVersionTwo) {
  const std::string one = npy_header(NpyType::kFloat32, 1, 0);
  std::string two = one.substr(0, 6) + std::string("\x02\x00", 2) + one.substr(8, 2) +
                    std::string("\x00\x00", 2) + one.substr(10);
  two.insert(two.size() - 1, 2, ' ');
  two[8] = static_cast<char>(two.size() - 12);
  const Bytes bytes(with_floats(two, {7}));
  EXPECT_THAT(parse_npy(bytes.span(), "a.npy").value().floats(), ElementsAre(7));
}

TEST(Npy, SaysWhatIsWrong) {
  const auto refusal = [](std::string_view text) {
    const Bytes bytes(text);
    const auto view = parse_npy(bytes.span(), "dir/a.npy");
    return view ? std::string() : view.error().text();
  };
  const std::string header = npy_header(NpyType::kFloat32, 2, 2);
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string text = header;
    return with_floats(text.replace(text.find(from), from.size(), to), {1, 2, 3, 4});
  };
  EXPECT_THAT(refusal(""), HasSubstr("dir/a.npy: is no sound .npy file"));
  EXPECT_THAT(refusal("PK\x03\x04 something else"), HasSubstr("does not begin like one"));
  EXPECT_THAT(refusal(with_floats(header, {1, 2, 3})), HasSubstr("cut short"));
  EXPECT_THAT(refusal(with_floats(header, {1, 2, 3, 4, 5})), HasSubstr("longer than its shape"));
  EXPECT_THAT(refusal(header.substr(0, 20)), HasSubstr("cut short"));
  EXPECT_THAT(refusal(changed("<f4", "<f8")), HasSubstr("astype('<f4')"));
  EXPECT_THAT(refusal(changed("<f4", ">f4")), HasSubstr("'>f4'"));
  EXPECT_THAT(refusal(changed("False,", "True, ")), HasSubstr("Fortran order"));
  EXPECT_THAT(refusal(changed("(2, 2)", "(1,2,2)")), HasSubstr("3 dimensions"));
  EXPECT_THAT(refusal(changed("(2, 2)", "(2, x)")), HasSubstr("its shape"));
  EXPECT_THAT(refusal(changed("(2, 2)", "(99999999999999999999, 2)")), HasSubstr("its shape"));
  EXPECT_THAT(refusal(changed("(2, 2)", "(4611686018427387905, 4)")), HasSubstr("cut short"));
}

}  // namespace
}  // namespace millrace
