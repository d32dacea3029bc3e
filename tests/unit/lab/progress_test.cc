// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/test_folder.h"

namespace spate::lab {
namespace {

using testing::HasSubstr;

ProgressView view() {
  ProgressView v;
  v.run = "vertical";
  v.phase = "starting";
  v.duration_s = 105;
  v.models.push_back({"resnet50", 0, 0, 0, 1000, 0, 0, 0, 0});
  return v;
}

TEST(Progress, ReadsWhatInfluxAndTheGatewayWrote) {
  const test::TestFolder run;
  run.write("influx.progress.json",
            R"({"t_s":35,"duration_s":105,"phase":"heavy","models":{"resnet50":
               {"rate_per_s":15.5,"answered_last_s":14,"p99_ms_last_s":730}}})");
  run.write("series.jsonl",
            "{\"unix_s\":1,\"models\":{\"resnet50\":{\"ready\":1,\"cpu_limit\":0.3}}}\n"
            "{\"unix_s\":2,\"models\":{\"resnet50\":{\"wanted\":3,\"ready\":2,\"starting\":1,\"cpu_"
            "limit\":0.3,"
            "\"queue\":7}}}\n{\"unix_s\":3,\"mod");
  ProgressView v = view();
  read_progress(run.path(), v);
  EXPECT_EQ(v.phase, "heavy");
  EXPECT_EQ(v.models[0].ready, 2) << "the last whole line";
  EXPECT_EQ(v.models[0].starting, 1);
  EXPECT_EQ(v.models[0].wanted, 3);
  const std::string line = progress_line(v);
  EXPECT_THAT(line, AllOf(HasSubstr("heavy"), HasSubstr("1:10 left"), HasSubstr("15.5/s"),
                          HasSubstr("730 ms"), HasSubstr("2x0.3 CPU")));
  EXPECT_THAT(progress_block(v), HasSubstr("(+1 starting)"));
}

TEST(Progress, WithoutFilesNothingChanges) {
  const test::TestFolder run;
  ProgressView v = view();
  read_progress(run.path(), v);
  EXPECT_EQ(v.phase, "starting");
  EXPECT_THAT(progress_line(v), HasSubstr("1:45 left"));
}

TEST(Progress, PlainOutputIsALineEveryFiveSeconds) {
  const test::TestFolder folder;
  std::FILE* out = std::fopen((folder / "out").c_str(), "w");
  ProgressPrinter printer(out, false);
  const TimePoint start{std::chrono::hours(1)};
  for (int s = 0; s < 11; ++s) printer.show(view(), start + std::chrono::seconds(s));
  std::fclose(out);
  const std::string text = read_file(folder / "out").value();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Progress, ATerminalIsRewrittenInPlace) {
  const test::TestFolder folder;
  std::FILE* out = std::fopen((folder / "out").c_str(), "w");
  ProgressPrinter printer(out, true);
  printer.show(view(), TimePoint{std::chrono::hours(1)});
  printer.show(view(), TimePoint{std::chrono::hours(1)} + std::chrono::seconds(1));
  std::fclose(out);
  EXPECT_THAT(read_file(folder / "out").value(), HasSubstr("\x1b[2A\x1b[J"));
}

}  // namespace
}  // namespace spate::lab
