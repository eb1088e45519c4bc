// The program `broadside`: a name for each command, nothing else.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "broadside/version.h"
#include "tools/command_words.h"
#include "tools/load.h"
#include "tools/publish.h"
#include "tools/serve.h"
#include "tools/subscribe.h"

int main(int argument_count, char** arguments) {
  CLI::App program("Broadside takes an event once and puts it on very many open HTTP connections (Server-Sent Events).",
                   "broadside");
  program.set_version_flag("--version", "broadside " BROADSIDE_VERSION);
  program.require_subcommand(1);
  program.footer(
      "broadside COMMAND --help says what each can do. First steps: broadside serve --demo, then open the page it prints.");
  int exit_status = 0;
  broadside::tools::add_serve_command(program, exit_status);
  broadside::tools::add_publish_command(program, exit_status);
  broadside::tools::add_subscribe_command(program, exit_status);
  broadside::tools::add_load_command(program, exit_status);
  try {
    program.parse(broadside::tools::take_command_words(argument_count, arguments));
  } catch (const CLI::ParseError& error) {
    return program.exit(error);
  }
  return exit_status;
}
