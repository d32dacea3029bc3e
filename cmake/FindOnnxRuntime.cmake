# FindOnnxRuntime: the imported target OnnxRuntime::OnnxRuntime.
#
# Looked for in this order:
#   ONNXRUNTIME_ROOT           CMake variable, else environment variable: an unpacked release of
#                              the user's own (include/, lib/)
#   .deps/onnxruntime          where scripts/setup puts it on distributions without a package
#   the system                 libonnxruntime-dev
# The C API is versioned: the library may be newer than the headers. The library is linked by
# its full path, so whatever links the target finds it at run time through its RPATH.
set(_onnxruntime_root "")
if(ONNXRUNTIME_ROOT)
  set(_onnxruntime_root "${ONNXRUNTIME_ROOT}")
elseif(DEFINED ENV{ONNXRUNTIME_ROOT} AND NOT "$ENV{ONNXRUNTIME_ROOT}" STREQUAL "")
  set(_onnxruntime_root "$ENV{ONNXRUNTIME_ROOT}")
elseif(EXISTS "${PROJECT_SOURCE_DIR}/.deps/onnxruntime/include/onnxruntime_cxx_api.h")
  set(_onnxruntime_root "${PROJECT_SOURCE_DIR}/.deps/onnxruntime")
endif()

# Another root than last time must not meet the paths remembered from it.
if(NOT "${_onnxruntime_root}" STREQUAL "${ONNXRUNTIME_ROOT_SEARCHED}")
  unset(OnnxRuntime_INCLUDE_DIR CACHE)
  unset(OnnxRuntime_LIBRARY CACHE)
  set(ONNXRUNTIME_ROOT_SEARCHED "${_onnxruntime_root}" CACHE INTERNAL "")
endif()

if(_onnxruntime_root)
  # A root that was asked for is the only place looked at: no surprise from the system's copy.
  set(_onnxruntime_where PATHS "${_onnxruntime_root}" NO_DEFAULT_PATH)
else()
  set(_onnxruntime_where "")
endif()
find_path(OnnxRuntime_INCLUDE_DIR onnxruntime_cxx_api.h ${_onnxruntime_where}
  PATH_SUFFIXES include include/onnxruntime onnxruntime
    include/onnxruntime/core/session onnxruntime/core/session)
find_library(OnnxRuntime_LIBRARY NAMES onnxruntime libonnxruntime.so.1 ${_onnxruntime_where}
  PATH_SUFFIXES lib lib64)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OnnxRuntime
  REQUIRED_VARS OnnxRuntime_LIBRARY OnnxRuntime_INCLUDE_DIR
  REASON_FAILURE_MESSAGE
    "run scripts/setup, or set ONNXRUNTIME_ROOT to an unpacked ONNX Runtime release")
mark_as_advanced(OnnxRuntime_LIBRARY OnnxRuntime_INCLUDE_DIR)

if(OnnxRuntime_FOUND AND NOT TARGET OnnxRuntime::OnnxRuntime)
  add_library(OnnxRuntime::OnnxRuntime SHARED IMPORTED)
  set_target_properties(OnnxRuntime::OnnxRuntime PROPERTIES
    IMPORTED_LOCATION "${OnnxRuntime_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${OnnxRuntime_INCLUDE_DIR}")
  # Its name inside (DT_SONAME) is what programs ask for at run time.
  set_target_properties(OnnxRuntime::OnnxRuntime PROPERTIES IMPORTED_SONAME libonnxruntime.so.1)
endif()
