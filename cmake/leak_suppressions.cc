// SPDX-License-Identifier: Apache-2.0
//
// What LeakSanitizer is not to report. Linked into the `spate` program and the tests when they are
// built with the address sanitizer.
//
// ONNX Runtime 1.30 (a release library without debug information) never frees a few hundred bytes
// that its own threads and a session's initialisation allocate; which, depends on the processor.
// Its names are stripped, so only the whole library can be named: a session of ours that we never
// released would not be found either. They are therefore held by the C++ API's owning types alone.

extern "C" const char* __lsan_default_suppressions() { return "leak:libonnxruntime.so\n"; }

// Without a table of what was suppressed on the error output of every program.
extern "C" const char* __lsan_default_options() { return "print_suppressions=0"; }
