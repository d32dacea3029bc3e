// SPDX-License-Identifier: Apache-2.0
//
// What runs in the containers of these tests: it behaves as the last part of `--model` says.
//   serve     waits for SIGTERM and exits 0
//   fails     says why and exits 3
//   hungry    takes memory until it is killed
//   busy      keeps two CPUs busy
//   stubborn  does not care about SIGTERM
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

namespace {

volatile sig_atomic_t told_to_end = 0;

[[noreturn]] void keep_busy() {
  volatile unsigned long count = 0;
  for (;;) count = count + 1;
}

[[noreturn]] void eat() {
  constexpr std::size_t kPiece = 1 << 20;
  for (;;) {
    auto* piece = new char[kPiece];
    for (std::size_t i = 0; i < kPiece; i += 512) *static_cast<volatile char*>(piece + i) = 1;
  }
}

}  // namespace

int main(int count, char** words) {
  std::string path;
  for (int i = 1; i + 1 < count; ++i) {
    if (std::strcmp(words[i], "--model") == 0) path = words[i + 1];
  }
  const std::string what = path.substr(path.rfind('/') + 1);
  std::fprintf(stderr, "this is %s\n", what.c_str());
  std::fflush(stdout);
  if (what == "fails") {
    std::fprintf(stderr, "the model cannot be read\n");
    return 3;
  }
  if (what == "hungry") eat();
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  struct sigaction action {};
  action.sa_handler = [](int) { told_to_end = 1; };
  sigaction(SIGTERM, &action, nullptr);
  if (what == "busy") {
    sigset_t none;
    sigemptyset(&none);
    if (fork() == 0) keep_busy();
    action.sa_handler = [](int) { _exit(0); };
    sigaction(SIGTERM, &action, nullptr);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    keep_busy();
  }
  sigset_t waiting;
  sigfillset(&waiting);
  if (what != "stubborn") sigdelset(&waiting, SIGTERM);
  while (told_to_end == 0) sigsuspend(&waiting);
  std::printf("drained\n");
  return 0;
}
