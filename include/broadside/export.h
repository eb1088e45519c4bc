/// @file
/// BROADSIDE_API marks what a shared libbroadside offers: everything else in it is hidden. Usable from C and C++.
#pragma once

#define BROADSIDE_API __attribute__((visibility("default")))
