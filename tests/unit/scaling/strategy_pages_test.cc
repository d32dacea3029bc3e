// SPDX-License-Identifier: Apache-2.0
//
// Every strategy has a page in docs/strategies/ with its four parts and its plot. The plots are
// drawn by scripts/strategy-plots, which needs simulated runs; here it is looked at that they are
// there and small, and that the pages' tables of options are those of the code.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "spate/base/files.h"
#include "spate/scaling/strategies.h"

namespace spate::scaling {
namespace {

namespace fs = std::filesystem;

const fs::path kPages = fs::path(SPATE_SOURCE_DIR) / "docs/strategies";
constexpr std::size_t kLargestPlot = 60'000;

class StrategyPage : public testing::TestWithParam<std::string> {
 protected:
  static std::string read(const fs::path& file) {
    const auto text = read_file(file);
    return text ? *text : "";
  }
};

TEST_P(StrategyPage, SaysWhatItSeesItsRuleItsDefaultsAndWhereItIsWeak) {
  const std::string page = read(kPages / (GetParam() + ".md"));
  ASSERT_FALSE(page.empty()) << "no page docs/strategies/" << GetParam() << ".md";
  for (const char* part : {"**Sees", "**Rule", "**Weak where"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
  EXPECT_TRUE(page.find("**Source.**") != std::string::npos ||
              page.find("| option | default | source |") != std::string::npos)
      << "where its defaults come from";
}

TEST_P(StrategyPage, ShowsItsWeaknessInAPlot) {
  const std::string page = read(kPages / (GetParam() + ".md"));
  EXPECT_NE(page.find(fmt::format("](images/{}.svg)", GetParam())), std::string::npos);
  const std::string plot = read(kPages / "images" / (GetParam() + ".svg"));
  EXPECT_EQ(plot.rfind("<svg", 0), 0U) << "scripts/strategy-plots draws it";
  EXPECT_LT(plot.size(), kLargestPlot);
}

TEST_P(StrategyPage, NamesEveryOptionWithItsDefault) {
  const std::string page = read(kPages / (GetParam() + ".md"));
  if (page.find("| option | default | what it is |") == std::string::npos) {
    GTEST_SKIP() << "its table groups the options by where their defaults come from";
  }
  const auto registry = builtin_strategies();
  for (const OptionSpec& option : registry.find(GetParam(), "test").options) {
    const std::string value =
        std::visit([](const auto& v) { return fmt::format("{}", v); }, option.otherwise);
    EXPECT_NE(page.find(fmt::format("| `{}` | {} | {} |", option.name, value, option.meaning)),
              std::string::npos)
        << option.name << ", default " << value;
  }
}

std::vector<std::string> documented() {
  std::vector<std::string> out = builtin_strategies().names();
  out.erase(std::remove(out.begin(), out.end(), "scripted"), out.end());  // for tests only
  return out;
}

INSTANTIATE_TEST_SUITE_P(Builtin, StrategyPage, testing::ValuesIn(documented()),
                         [](const auto& page) { return page.param; });

}  // namespace
}  // namespace spate::scaling
