// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/prepared.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "spate/base/files.h"
#include "testing/test_folder.h"

namespace spate::models {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const PreparedKey kKey{"1.30.0", "0123abcd", "aaaaaaaaaaaa"};

class Prepared : public ::testing::Test {
 protected:
  Status make(const PreparedKey& key, const std::string& content) {
    return make_prepared_file(folder(), key, [&](const fs::path& path) {
      ++writes_;
      return write_file(path, content);
    });
  }
  fs::path folder() const { return dir_ / "prepared"; }
  fs::path path(const PreparedKey& key = kKey) const { return folder() / key.file_name(); }
  std::string opened() const {
    const auto file = open_prepared_file(path());
    if (!file) return "error: " + file.error().message;
    return {reinterpret_cast<const char*>(file->bytes.data()), file->bytes.size()};
  }
  std::vector<std::string> ort_files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder())) {
      if (entry.path().extension() == ".ort") names.push_back(entry.path().filename());
    }
    return names;
  }

  test::TestFolder dir_;
  int writes_ = 0;
};

TEST_F(Prepared, MadeOnceAndReadBack) {
  EXPECT_EQ(open_prepared_file(path()).error().code, ErrorCode::NotFound);
  ASSERT_TRUE(make(kKey, "the model's bytes"));
  EXPECT_EQ(opened(), "the model's bytes");
  ASSERT_TRUE(make(kKey, "other bytes"));
  EXPECT_EQ(writes_, 1);
  EXPECT_EQ(opened(), "the model's bytes");
}

TEST_F(Prepared, AnyChangeIsFoundAndMadeGood) {
  const std::string content(1000, 'x');
  ASSERT_TRUE(make(kKey, content));
  const std::string sound = *read_file(path());
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{500}, sound.size() - 30, sound.size() - 20, sound.size() - 1}) {
    std::string bytes = sound;
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    ASSERT_TRUE(write_file(path(), bytes));
    const auto file = open_prepared_file(path());
    ASSERT_FALSE(file) << at;
    EXPECT_EQ(file.error().code, ErrorCode::InvalidArgument);
    EXPECT_THAT(file.error().message, HasSubstr("damaged"));
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, sound.size() - 1}) {
    ASSERT_TRUE(write_file(path(), sound.substr(0, size)));
    EXPECT_FALSE(open_prepared_file(path())) << size;
  }
  ASSERT_TRUE(make(kKey, content));
  EXPECT_EQ(opened(), content);
}

TEST_F(Prepared, AFailureLeavesNoFile) {
  const auto made = make_prepared_file(folder(), kKey, [](const fs::path& path) -> Status {
    EXPECT_TRUE(write_file(path, "half"));
    return Error{ErrorCode::Internal, "the disk is full"};
  });
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("the disk is full"));
  EXPECT_THAT(ort_files(), ::testing::IsEmpty());
}

TEST_F(Prepared, OlderVersionsOfTheModelGoOthersHostsStay) {
  PreparedKey older = kKey, other_cpu = kKey, other_runtime = kKey;
  older.model = "bbbbbbbbbbbb";
  other_cpu.cpu = "ffffffff";
  other_runtime.runtime = "1.29.0";
  for (const auto& key : {older, other_cpu, other_runtime, kKey}) ASSERT_TRUE(make(key, "m"));
  EXPECT_FALSE(fs::exists(path(older)));
  EXPECT_TRUE(fs::exists(path(other_cpu)));
  EXPECT_TRUE(fs::exists(path(other_runtime)));
  EXPECT_TRUE(fs::exists(path()));
}

TEST_F(Prepared, ManyAtOnceMakeItOnce) {
  std::atomic<int> writes{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      const auto made = make_prepared_file(folder(), kKey, [&](const fs::path& to) {
        ++writes;
        return write_file(to, "m");
      });
      EXPECT_TRUE(made);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(writes, 1);
  EXPECT_EQ(opened(), "m");
}

TEST(CpuFingerprint, IsOfTheInstructionSetsOnly) {
  const auto one = cpu_fingerprint("cpu MHz : 2000\nflags : sse avx fma\n");
  EXPECT_EQ(one.size(), 8U);
  EXPECT_EQ(one, cpu_fingerprint("cpu MHz : 3100\nflags : fma avx sse\nflags : other\n"));
  EXPECT_NE(one, cpu_fingerprint("cpu MHz : 2000\nflags : sse avx fma avx512f\n"));
  EXPECT_NE(one, cpu_fingerprint(""));
  EXPECT_EQ(cpu_fingerprint(), cpu_fingerprint());
}

TEST(Checksum, EveryBytesPlaceCounts) {
  std::vector<std::byte> bytes(100, std::byte{7});
  const auto whole = checksum64(bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto changed = bytes;
    changed[i] = std::byte{8};
    ASSERT_NE(checksum64(changed), whole) << i;
  }
  std::swap(bytes[3] = std::byte{1}, bytes[40]);
  EXPECT_NE(checksum64(bytes), whole);
  EXPECT_NE(checksum64(std::span(bytes).first(99)), checksum64(bytes));
}

}  // namespace
}  // namespace spate::models
