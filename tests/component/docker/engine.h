// SPDX-License-Identifier: Apache-2.0
//
// The real engine of these tests. scripts/dockerd starts it and names it in DOCKER_HOST; without
// one the tests fail. Its image kTestImage holds container_program.
//
// Threads: one.
#pragma once

#include <string>

namespace spate::test {

inline constexpr const char* kTestImage = "spate-test-program";

// The engine's socket; fails the test when DOCKER_HOST is not set.
std::string engine_socket();
// Output of `docker ARGUMENTS`, without the line end; the test fails when it fails, unless told.
std::string docker(const std::string& arguments, bool may_fail = false);
// Ends the engine in order, as `systemctl stop docker` would; and starts it again.
void end_engine();
void start_engine();
// The CPUs of its machine.
double engine_cpus();

// A name that no other test of this or another process uses.
std::string unique_name(const std::string& stem);

}  // namespace spate::test
