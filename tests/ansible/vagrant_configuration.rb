# Prints as JSON what Vagrant itself makes of the Vagrantfile in the folder named first, for each provider named after it.
# The program of a provider need not be there.
require "json"
require "vagrant"

# Values of an object that has no readers for all of them.
def held(object)
  object.instance_variables.to_h { |name| [name.to_s.delete_prefix("@"), object.instance_variable_get(name)] }
end

environment = Vagrant::Environment.new(cwd: ARGV.shift)
made = ARGV.to_h do |provider|
  machines = environment.machine_names.to_h do |name|
    vm = environment.vagrantfile.machine_config(name, provider.to_sym, environment.boxes, nil, false)[:config].vm
    own = vm.get_provider_config(provider.to_sym)
    [name, {
      box: vm.box,
      box_url: vm.box_url,
      hostname: vm.hostname,
      addresses: vm.networks.map { |_, options| options[:ip] }.compact,
      settings: held(own).slice("memory", "customizations", "container_name"),
      provisioners: vm.provisioners.map { |one| held(one.config).slice("playbook", "limit", "groups", "host_vars") },
    }]
  end
  [provider, machines]
end
puts JSON.generate(made)
