# Everything comes from the distribution; scripts/setup installs it. Only ONNX Runtime may
# live in .deps/onnxruntime (put there by scripts/setup) or where ONNXRUNTIME_ROOT points.
include(GoogleTest)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Eigen3 REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(simdjson REQUIRED)
# Its own CMake package insists on the command-line tool, which libxgboost-dev does not bring.
find_path(XGBOOST_INCLUDE_DIR xgboost/c_api.h REQUIRED)
find_library(XGBOOST_LIBRARY xgboost REQUIRED)
add_library(xgboost::xgboost UNKNOWN IMPORTED)
set_target_properties(xgboost::xgboost PROPERTIES IMPORTED_LOCATION "${XGBOOST_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${XGBOOST_INCLUDE_DIR}")
# Image models. In this file, so that the targets are known to the whole tree.
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)  # and ZLIB
find_package(Protobuf REQUIRED)
find_package(ONNX REQUIRED)
find_package(OnnxRuntime REQUIRED)
if(SPATE_TESTS)
  find_package(GTest REQUIRED)
endif()
if(SPATE_BENCH)
  find_package(benchmark REQUIRED)
endif()
