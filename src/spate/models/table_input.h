// SPDX-License-Identifier: Apache-2.0
//
// TableDecoder: turns a request's payload into rows of numbers for a model of tables. Used by
// every table model (linear, xgboost); on the hot path of each request.
//
//   application/json          {"features":[1.5,2]}            one row, in the model's order
//                             {"features":{"rm":1.5,"b":2}}   one row, by name
//                             {"instances":[[1.5,2],[3,4]]}   rows; each may also be by name
//   application/x-spate-f32   little-endian float32, row after row
//
// Other keys of the JSON object ("id", "type", …) are ignored.
//
// Threads: a decoder is immutable; any number of threads may use it at once.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "spate/base/result.h"
#include "spate/models/model.h"

namespace spate::models {

struct TableRows {
  bool many = false;  // "instances", or more than one row of float32
  std::size_t rows = 0;
  std::vector<double> values;  // rows × features, row after row; all finite
};

class TableDecoder {
 public:
  // Rows of one request at most; more is refused, so that one message cannot hold a worker.
  static constexpr std::size_t kMaxRows = 65536;

  // `features`: names of the columns in the model's order. Requires at least one.
  explicit TableDecoder(std::vector<std::string> features);

  // Appends nothing and returns InvalidArgument, with a message for the sender, when the payload
  // is empty, malformed, has another number of features, names an unknown one, or holds
  // something that is not a finite number. `out` is overwritten; reuse it to spare allocations.
  Status decode(const Input& input, TableRows& out) const;

  const std::vector<std::string>& features() const { return features_; }

 private:
  struct Json;
  Status decode_json(std::string_view payload, TableRows& out) const;
  Status decode_f32(std::string_view payload, TableRows& out) const;
  std::string expected_features() const;

  std::vector<std::string> features_;
  std::unordered_map<std::string, std::size_t> index_;
};

// The JSON payload of one row, numbers in shortest form: {"features":[1.5,2]}.
std::string features_payload(const std::vector<double>& row);

}  // namespace spate::models
