# One request by one library, set up for no proxy: client.rb LIBRARY URL.
require "net/http"

library, url = ARGV
uri = URI(url)
puts({
  "net-http" => -> { Net::HTTP.get(uri) },
  "net-http-start" => -> { Net::HTTP.start(uri.host, 443, use_ssl: true) { |http| http.get(uri.path).body } },
  "open-uri" => -> { require "open-uri"; uri.open.read },
  "faraday" => -> { require "faraday"; Faraday.get(url).body },
  "excon" => -> { require "excon"; Excon.get(url).body },
  "httpclient" => -> { require "httpclient"; HTTPClient.new.tap { |c| c.ssl_config.set_default_paths }.get_content(url) },
  "rest-client" => -> { require "rest-client"; RestClient.get(url).body },
}.fetch(library).call)
