#include "plugins/towpath/towpath_plugin.h"

int main() {
  return towpath::cni::plugin_main(towpath::cni::towpath_plugin());
}
