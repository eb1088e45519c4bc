// Tells tests/support where the build has put the program, unless the environment says another place.
#include <gtest/gtest.h>

#include <cstdlib>

namespace {

class ProgramEnvironment : public ::testing::Environment {
 public:
  void SetUp() override {
#ifdef BROADSIDE_PROGRAM
    setenv("BROADSIDE_PROGRAM", BROADSIDE_PROGRAM, 0);
#endif
  }
};

[[maybe_unused]] const ::testing::Environment* const environment = ::testing::AddGlobalTestEnvironment(new ProgramEnvironment);

}  // namespace
