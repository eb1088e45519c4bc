/// @file
/// The version of these headers, as Semantic Versioning 2.0.0 has it: while MAJOR is 0, a higher MINOR may change the API and the
/// ABI, a higher PATCH changes neither. The one place where the version stands: the build reads it from here. Usable from C.
#pragma once

#define BROADSIDE_VERSION_MAJOR 0  ///< Changes with what breaks a caller.
#define BROADSIDE_VERSION_MINOR 1  ///< Changes with what is added; below 1.0 also with what breaks a caller.
#define BROADSIDE_VERSION_PATCH 0  ///< Changes with what is mended.
#define BROADSIDE_VERSION "0.1.0"  ///< The three of them, with dots.

/// One number that grows with the version: `#if BROADSIDE_VERSION_NUMBER >= 1002` is 0.1.2 or newer.
#define BROADSIDE_VERSION_NUMBER (BROADSIDE_VERSION_MAJOR * 1000000 + BROADSIDE_VERSION_MINOR * 1000 + BROADSIDE_VERSION_PATCH)

#ifdef __cplusplus
namespace broadside {

constexpr int kVersionMajor = BROADSIDE_VERSION_MAJOR;  ///< BROADSIDE_VERSION_MAJOR for C++.
constexpr int kVersionMinor = BROADSIDE_VERSION_MINOR;  ///< BROADSIDE_VERSION_MINOR for C++.
constexpr int kVersionPatch = BROADSIDE_VERSION_PATCH;  ///< BROADSIDE_VERSION_PATCH for C++.
constexpr const char* kVersion = BROADSIDE_VERSION;     ///< "MAJOR.MINOR.PATCH".

}  // namespace broadside
#endif
