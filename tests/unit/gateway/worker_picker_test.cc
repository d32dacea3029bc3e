// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/worker_picker.h"

#include <gtest/gtest.h>

#include <map>

namespace spate::gateway {
namespace {

TEST(WorkerPicker, LeastOutstandingAgreesWithASearch) {
  WorkerPicker picker(DispatchPolicy::LeastOutstanding, 1);
  std::map<std::uint32_t, double> model;
  Rng rng(5);
  for (int step = 0; step < 20'000; ++step) {
    const auto worker = static_cast<std::uint32_t>(rng.below(200));
    if (rng.below(5) == 0) {
      picker.remove(worker);
      model.erase(worker);
    } else {
      const double load = static_cast<double>(rng.below(1000));
      picker.put(worker, load);
      model[worker] = load;
    }
    ASSERT_EQ(picker.size(), model.size());
    if (model.empty()) continue;
    double least = 1e9;
    for (const auto& [w, load] : model) least = std::min(least, load);
    const std::uint32_t picked = picker.pick();
    ASSERT_TRUE(model.contains(picked));
    EXPECT_EQ(model[picked], least);
    picker.put(picked, model[picked]);
  }
}

TEST(WorkerPicker, RoundRobinSurvivesRemovalOfTheNext) {
  WorkerPicker picker(DispatchPolicy::RoundRobin, 1);
  for (std::uint32_t worker : {0U, 1U, 2U}) picker.put(worker, 1.0);
  EXPECT_EQ(picker.pick(), 0U);
  picker.remove(1);
  EXPECT_EQ(picker.pick(), 2U);
  EXPECT_EQ(picker.pick(), 0U);
  picker.put(1, 1.0);  // last in turn
  EXPECT_EQ(picker.pick(), 2U);
  EXPECT_EQ(picker.pick(), 0U);
  EXPECT_EQ(picker.pick(), 1U);
  for (std::uint32_t worker : {0U, 1U, 2U}) picker.remove(worker);
  EXPECT_EQ(picker.size(), 0U);
  picker.put(2, 1.0);
  EXPECT_EQ(picker.pick(), 2U);
  EXPECT_EQ(picker.pick(), 2U);
}

TEST(WorkerPicker, PowerOfTwoNeverPicksTheWorseOfThree) {
  WorkerPicker picker(DispatchPolicy::PowerOfTwo, 9);
  picker.put(0, 5.0);
  picker.put(1, 1.0);
  picker.put(2, 3.0);
  std::map<std::uint32_t, int> got;
  for (int i = 0; i < 3000; ++i) ++got[picker.pick()];
  EXPECT_EQ(got[0], 0);  // every pair has a better one
  EXPECT_NEAR(got[1], 2000, 150);
  EXPECT_NEAR(got[2], 1000, 150);
}

}  // namespace
}  // namespace spate::gateway
