/// @file
/// What a shared libbroadside offers. Usable from C and C++.
#pragma once

/// Marks a class or a function of the public API; everything else is hidden.
#define BROADSIDE_API __attribute__((visibility("default")))
