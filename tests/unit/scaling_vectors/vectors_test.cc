// SPDX-License-Identifier: Apache-2.0
//
// Every decision of every original, replayed. SPATE_VECTORS_DIR names another folder with vectors
// drawn afresh (tools/oracles/run); only the autoscalers found there are then compared.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "unit/scaling_vectors/replay.h"

namespace spate::scaling {
namespace {

class Vectors : public testing::TestWithParam<const char*> {
 protected:
  // Empty: this autoscaler has no vectors in the folder that was asked for.
  static std::string file() {
    const char* elsewhere = std::getenv("SPATE_VECTORS_DIR");
    const std::string folder =
        elsewhere != nullptr ? elsewhere : std::string(SPATE_SOURCE_DIR) + "/tests/vectors";
    std::string path = folder + "/" + GetParam() + ".jsonl.gz";
    if (elsewhere != nullptr && !std::filesystem::exists(path)) return "";
    return path;
  }

  static void compare(bool reborn) {
    const std::string path = file();
    if (path.empty()) return;
    const Replayed seen = replay(GetParam(), path, reborn);
    for (const auto& difference : seen.differences) ADD_FAILURE() << difference;
    EXPECT_EQ(seen.differing_sequences, 0) << "of " << seen.sequences;
    EXPECT_GT(seen.sequences, 0);
    // Vectors in which nothing happens would prove nothing.
    EXPECT_GT(seen.changes, 2 * seen.sequences);
    std::printf("%s\n  %d sequences, %d decisions, %d of them changes\n", seen.header.c_str(),
                seen.sequences, seen.decisions, seen.changes);
  }
};

TEST_P(Vectors, EveryDecisionIsTheOriginals) { compare(false); }
TEST_P(Vectors, AndAfterRestoringSnapshotsToo) { compare(true); }

INSTANTIATE_TEST_SUITE_P(Production, Vectors,
                         testing::Values("hpa_cpu", "hpa_external", "keda", "kpa", "ray_serve"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace spate::scaling
