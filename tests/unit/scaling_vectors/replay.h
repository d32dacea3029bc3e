// SPDX-License-Identifier: Apache-2.0
//
// Replays decisions of an original autoscaler (tests/vectors/README.md has the format) through
// Spate's own Sampler and Strategy.
#pragma once

#include <string>
#include <vector>

namespace spate::scaling {

struct Replayed {
  std::string header;  // of the file: the original, its version, the seed
  int sequences = 0;
  int decisions = 0;
  int changes = 0;                       // decisions that changed the number of replicas
  int differing_sequences = 0;           // in which a decision of ours was another
  std::vector<std::string> differences;  // the first few, told in full
};

// The gzipped vectors at `path` through the strategy `name`. With `reborn`, every tenth sequence,
// with the strategy made anew from its snapshot every few decisions. Fails the test when the file
// is not as it should be.
Replayed replay(const std::string& name, const std::string& path, bool reborn);

}  // namespace spate::scaling
