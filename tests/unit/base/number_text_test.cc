// SPDX-License-Identifier: Apache-2.0
#include "spate/base/number_text.h"

#include <gtest/gtest.h>

namespace spate {
namespace {

TEST(NumberText, WhatRoundsToZeroHasNoSign) {
  EXPECT_EQ(signed_text(-0.04, 1), "0.0");
  EXPECT_EQ(signed_text(0.04, 1), "0.0");
  EXPECT_EQ(signed_text(-0.0, 2), "0.00");
  EXPECT_EQ(signed_text(-0.4, 0), "0");
  EXPECT_EQ(fixed_text(-0.004, 2), "0.00");
}

TEST(NumberText, EverythingElseKeepsIt) {
  EXPECT_EQ(signed_text(0.06, 1), "+0.1");
  EXPECT_EQ(signed_text(-0.06, 1), "-0.1");
  EXPECT_EQ(signed_text(12.345, 2), "+12.35");
  EXPECT_EQ(signed_text(-100.0, 0), "-100");
  EXPECT_EQ(fixed_text(0.06, 1), "0.1");
  EXPECT_EQ(fixed_text(-0.06, 1), "-0.1");
}

}  // namespace
}  // namespace spate
