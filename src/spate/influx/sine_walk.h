// SPDX-License-Identifier: Apache-2.0
//
// SineWalk: the inverse of the mass of a piece with a sine, for one request after another. Each
// search starts where the last one ended and sums the sine's series around a point nearby, so that
// most steps take no sine at all; Piece::when() searches the whole piece and takes three per round.
// The results are the same but for rounding (less than a nanosecond).
//
// ProfileCursor has one. Threads: one at a time.
#pragma once

namespace spate::influx {

struct Piece;

class SineWalk {
 public:
  // The u at which `piece` has expected `wanted` requests, as Piece::when(wanted). Fastest when
  // `wanted` grows a little from call to call. Requires a piece that has a sine; it is borrowed
  // until another one comes.
  double when(const Piece& piece, double wanted);

 private:
  void enter(const Piece& piece);
  void anchor(double u);

  const Piece* piece_ = nullptr;
  double reach_ = 0.0;  // seconds from the anchor that the series are good for
  double bend_ = 0.0;   // no rate changes faster, per s^2
  double wave_ = 0.0;   // requests: amplitude over omega
  // The last result.
  double wanted_ = 0.0;
  double u_ = 0.0;
  double rate_ = 0.0;
  // The point that the series belong to.
  bool anchored_ = false;
  double from_ = 0.0;
  double mass_ = 0.0;  // until there
  double line_ = 0.0;  // rate there without the sine
  double sin_ = 0.0;
  double cos_ = 0.0;
};

}  // namespace spate::influx
