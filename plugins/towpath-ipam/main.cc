#include "plugins/towpath-ipam/ipam_plugin.h"

int main() {
  return towpath::cni::plugin_main(towpath::cni::ipam_plugin());
}
