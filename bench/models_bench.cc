// SPDX-License-Identifier: Apache-2.0
//
// BM_LinearPredict/<features>      one JSON request: decode, predict, result fragment
// BM_LinearPredictF32/<features>   the same from float32
// BM_DecodeJsonRows/<rows>         {"instances":[…]} of 10 features
// BM_ClassFragment                 the JSON of a classification with five classes
#include <benchmark/benchmark.h>

#include "spate/models/linear.h"

namespace spate::models {
namespace {

LinearModel linear_of(std::size_t features) {
  Manifest manifest;
  LinearParameters parameters;
  for (std::size_t j = 0; j < features; ++j) {
    manifest.features.push_back("feature_" + std::to_string(j));
    parameters.coefficients.push_back(0.1 * static_cast<double>(j));
    parameters.means.push_back(1.0 / (1.0 + static_cast<double>(j)));
  }
  return LinearModel(manifest, parameters);
}

void predict(benchmark::State& state, LinearModel& model, const Input& input) {
  for (auto _ : state) {
    auto answers = model.predict({&input, 1});
    benchmark::DoNotOptimize(to_json_fragment(*answers.front()));
  }
  state.SetItemsProcessed(state.iterations());
}

void BM_LinearPredict(benchmark::State& state) {
  auto model = linear_of(static_cast<std::size_t>(state.range(0)));
  const std::string payload = model.sample_payload();
  predict(state, model, {"application/json", payload});
}
BENCHMARK(BM_LinearPredict)->Arg(5)->Arg(20)->Arg(100);

void BM_LinearPredictF32(benchmark::State& state) {
  const auto features = static_cast<std::size_t>(state.range(0));
  auto model = linear_of(features);
  const std::string payload(4 * features, '\0');
  predict(state, model, {"application/x-spate-f32", payload});
}
BENCHMARK(BM_LinearPredictF32)->Arg(5)->Arg(20)->Arg(100);

void BM_DecodeJsonRows(benchmark::State& state) {
  const TableDecoder decoder({"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"});
  std::string payload = "{\"instances\":[";
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    payload += i == 0 ? "" : ",";
    payload += "[0.1,1.25,3,400,5.5,-6,7e3,8,9.123456,10]";
  }
  payload += "]}";
  TableRows rows;
  for (auto _ : state) {
    benchmark::DoNotOptimize(decoder.decode({"application/json", payload}, rows).has_value());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_DecodeJsonRows)->Arg(1)->Arg(100);

void BM_ClassFragment(benchmark::State& state) {
  Prediction prediction;
  prediction.rows.resize(1);
  for (int k = 0; k < 5; ++k) {
    prediction.rows[0].top.push_back({k, "class " + std::to_string(k), 0.2 + 0.01 * k});
  }
  for (auto _ : state) benchmark::DoNotOptimize(to_json_fragment(prediction));
}
BENCHMARK(BM_ClassFragment);

}  // namespace
}  // namespace spate::models

BENCHMARK_MAIN();
