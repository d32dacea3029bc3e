// SPDX-License-Identifier: Apache-2.0
//
// Model: one loaded model. `spate worker` serves it, `spate model predict` and `bench` call it
// directly. Load one with load_model() (load.h), which finds the runtime's module.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/result.h"
#include "spate/models/manifest.h"

namespace spate::models {

// One request's input, borrowed for the call.
struct Input {
  // application/json, image/jpeg, image/png or application/x-spate-f32; "" is taken as JSON
  // when the payload starts with '{', else guessed from its first bytes.
  std::string_view content_type;
  std::string_view payload;
};

struct ClassScore {
  int index = 0;
  std::string label;
  double probability = 0.0;  // 0 to 1
};

// The answer for one row or one image.
struct RowPrediction {
  std::optional<double> value;  // regression
  std::vector<ClassScore> top;  // classification: most probable first
};

// The answer to one request: one row, or as many as its "instances" had.
struct Prediction {
  bool many = false;  // the request used "instances"
  std::vector<RowPrediction> rows;
};

// `"prediction":1.5`, or `"class":"sun","confidence":0.9,"top":[{"class":…,"probability":…},…]`;
// with `many`: `"predictions":[{…},…]`. Without the outer braces (the gateway adds the rest).
std::string to_json_fragment(const Prediction& prediction);

class Model {
 public:
  virtual ~Model() = default;

  virtual const Manifest& manifest() const = 0;

  // One result per input, in order. A bad input is InvalidArgument for that entry alone, with a
  // message a person can act on; any other error means the model itself failed. Blocks for as
  // long as the computation takes. Any number of threads may call it at once.
  virtual std::vector<Result<Prediction>> predict(std::span<const Input> inputs) = 0;

  // An input that is sure to be valid, for warming up and benchmarks.
  virtual std::string sample_payload() const = 0;

  // How many threads one predict() call may use; it takes effect with the next call. Models
  // whose runtime cannot change that ignore it.
  virtual void set_intra_op_threads(int threads) = 0;
};

}  // namespace spate::models
