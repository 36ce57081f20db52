#include "base/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fault_env_testing.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

/// A file as NumPy would write it, with a header of one's own.
std::string npy(std::string_view header, std::string_view values, char version = 1) {
  std::string text(header);
  text += '\n';
  std::string bytes = "\x93NUMPY";
  bytes += version;
  bytes += '\0';
  const auto length = static_cast<std::uint32_t>(text.size());
  bytes.append(reinterpret_cast<const char*>(&length), version == 1 ? 2 : 4);
  return bytes + text + std::string(values);
}

std::string floats(std::initializer_list<float> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(float)};
}

Code code_of(std::string_view bytes) {
  const auto array = parse_npy_floats(bytes, "x.npy");
  EXPECT_FALSE(array);
  if (array) return Code::kInternal;
  EXPECT_EQ(array.error().where, "x.npy");
  return array.error().code;
}

TEST(Npy, WhatIsWrittenReadsTheSame) {
  FaultEnv env;
  const std::vector<float> values = {1, -2.5F, 3e-30F, 4, 5, 6};
  const std::vector<std::size_t> shape = {2, 3};
  ASSERT_TRUE(write_npy(env, "/a.npy", values, shape));
  EXPECT_EQ(read_npy_floats(env, "/a.npy"), (NpyArray<float>{shape, values}));
  const std::vector<std::int64_t> ids = {7, -1, std::int64_t{1} << 60};
  const std::vector<std::size_t> length = {3};
  ASSERT_TRUE(write_npy(env, "/b.npy", ids, length));
  EXPECT_EQ(read_npy_integers(env, "/b.npy"), (NpyArray<std::int64_t>{length, ids}));
  EXPECT_EQ(read_npy_floats(env, "/none.npy").error().code, Code::kNotFound);
}

TEST(Npy, TheBytesAreThoseOfNumpy) {
  const std::vector<float> values = {1, 2};
  const std::vector<std::size_t> shape = {1, 2};
  const std::string bytes = encode_npy(values, shape);
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
  EXPECT_EQ(bytes.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_EQ(bytes.substr(10, header.size()), header);
  EXPECT_EQ(bytes.size(), 128 + floats({1, 2}).size());
  EXPECT_EQ(bytes[127], '\n');
  EXPECT_EQ(bytes.substr(128), floats({1, 2}));
}

TEST(Npy, ReadsVersionTwoOtherOrdersOfKeysAndEmptyArrays) {
  const auto two = parse_npy_floats(
      npy(R"({"shape":(2,),"fortran_order":True,"descr":"<f4"})", floats({1, 2}), 2), "x.npy");
  ASSERT_TRUE(two) << two.error().text();
  EXPECT_EQ(*two, (NpyArray<float>{{2}, {1, 2}}));
  const auto none =
      parse_npy_floats(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 32), }", ""), "x.npy");
  ASSERT_TRUE(none) << none.error().text();
  EXPECT_EQ(*none, (NpyArray<float>{{0, 32}, {}}));
}

TEST(Npy, OtherKindsAreRefusedWithWhatToDo) {
  const auto wide =
      parse_npy_floats(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", "12345678"), "x.npy");
  ASSERT_FALSE(wide);
  EXPECT_EQ(wide.error().code, Code::kInvalid);
  EXPECT_THAT(wide.error().message, HasSubstr("astype('float32')"));
  EXPECT_EQ(code_of(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", floats({1, 2}))),
            Code::kInvalid);
  EXPECT_EQ(code_of(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", floats({1}))),
            Code::kInvalid);
  EXPECT_EQ(code_of(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1), }", floats({1}))),
            Code::kInvalid);
  EXPECT_EQ(code_of(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", floats({1}), 9)),
            Code::kInvalid);
}

TEST(Npy, WhatIsCutLongerOrNoArrayIsCorrupt) {
  const std::vector<float> values = {1, 2, 3};
  const std::vector<std::size_t> shape = {3};
  const std::string whole = encode_npy(values, shape);
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_EQ(code_of(whole.substr(0, length)), Code::kCorrupt) << length;
  EXPECT_EQ(code_of(whole + "x"), Code::kCorrupt);
  for (const std::string_view header :
       {"{'descr': '<f4', 'fortran_order': False}", "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905, 4)}", "[1]", ""})
    EXPECT_EQ(code_of(npy(header, floats({1}))), Code::kCorrupt) << header;
}

}  // namespace
}  // namespace millrace
