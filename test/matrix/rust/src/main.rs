//! One request by one library: rustclient LIBRARY URL.
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (library, url) = (args.next().ok_or("library?")?, args.next().ok_or("url?")?);
    let body = match library.as_str() {
        "reqwest-native-tls" => reqwest::blocking::Client::builder().use_native_tls().build()?.get(url).send()?.text()?,
        "reqwest-rustls" => reqwest::blocking::Client::builder().use_rustls_tls().build()?.get(url).send()?.text()?,
        "ureq" => ureq::get(&url).call()?.into_string()?,
        _ => return Err("no such library".into()),
    };
    println!("{body}");
    Ok(())
}
