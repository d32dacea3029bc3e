// SPDX-License-Identifier: Apache-2.0
//
// The wire codec: how fast batches become frames and frames become batches.
//
//   EncodeBatch/ITEMS/BYTES      a Batch of ITEMS items with payloads of BYTES
//   DecodeBatch/ITEMS/BYTES      the same frame, fed in one piece
//   DecodeResults/ITEMS          a BatchResult of ITEMS short answers
#include <benchmark/benchmark.h>

#include "spate/base/check.h"
#include "spate/wire/codec.h"

namespace spate::wire {
namespace {

Batch make_batch(std::int64_t items, std::int64_t bytes) {
  Batch batch{.batch_id = 1, .items = {}};
  for (std::int64_t i = 0; i < items; ++i) {
    batch.items.push_back({static_cast<std::uint64_t>(i), "application/json",
                           std::string(static_cast<std::size_t>(bytes), 'x'),
                           std::chrono::seconds(1)});
  }
  return batch;
}

void count(benchmark::State& state, std::size_t frame_bytes) {
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(frame_bytes));
}

void decode(benchmark::State& state, const std::string& frame) {
  FrameReader reader;
  for (auto _ : state) {
    reader.feed(frame);
    auto message = reader.next();
    SPATE_CHECK(message && message->has_value(), "the frame must decode");
    benchmark::DoNotOptimize(message);
  }
  count(state, frame.size());
}

void EncodeBatch(benchmark::State& state) {
  const Batch batch = make_batch(state.range(0), state.range(1));
  std::string out;
  for (auto _ : state) {
    out.clear();
    encode(batch, out);
    benchmark::DoNotOptimize(out.data());
  }
  count(state, out.size());
}
BENCHMARK(EncodeBatch)->Args({1, 200})->Args({64, 200})->Args({1, 100'000});

void DecodeBatch(benchmark::State& state) {
  std::string frame;
  encode(make_batch(state.range(0), state.range(1)), frame);
  decode(state, frame);
}
BENCHMARK(DecodeBatch)->Args({1, 200})->Args({64, 200})->Args({1, 100'000});

void DecodeResults(benchmark::State& state) {
  BatchResult results{.batch_id = 1, .service = {}, .items = {}};
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    results.items.push_back(
        {static_cast<std::uint64_t>(i), ItemCode::Ok, "\"prediction\":21.123456789"});
  }
  std::string frame;
  encode(results, frame);
  decode(state, frame);
}
BENCHMARK(DecodeResults)->Arg(1)->Arg(64);

}  // namespace
}  // namespace spate::wire

BENCHMARK_MAIN();
