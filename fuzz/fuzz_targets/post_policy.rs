//! The policy of an upload form: any text is one or a refusal, and a form with a field that no
//! condition names is never allowed.
#![no_main]

use base64::Engine;
use headwater_base::Timestamp;
use headwater_s3::post_policy::PostPolicy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &str| {
    let Ok(policy) = PostPolicy::parse(&base64::engine::general_purpose::STANDARD.encode(json)) else {
        return;
    };
    let fields = |name: &str| vec![(name.to_owned(), "value".to_owned())];
    let _ = policy.check(&fields("key"), "bucket", Timestamp::from_ms(0));
    if !json.contains("nobody-names-this") && !json.contains('\\') {
        assert!(policy.check(&fields("nobody-names-this"), "bucket", Timestamp::from_ms(0)).is_err());
    }
});
