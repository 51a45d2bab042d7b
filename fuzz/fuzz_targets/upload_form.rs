//! An upload form: any bytes are a form or a refusal; how they are cut never matters, and of the file
//! no byte is lost or made up.
#![no_main]

use headwater_wire::form::{Form, FormDecoder, FormError, FormPiece};
use libfuzzer_sys::fuzz_target;

fn decode(body: &[u8], step: usize) -> Result<(Option<Form>, Vec<u8>), FormError> {
    let mut decoder = FormDecoder::new("multipart/form-data; boundary=xyz")?;
    let (mut form, mut file) = (None, Vec::new());
    for piece in body.chunks(step) {
        decoder.push(piece);
        loop {
            match decoder.piece()? {
                FormPiece::More => break,
                FormPiece::Fields(fields) => assert!(form.replace(fields).is_none()),
                FormPiece::Data(data) => file.extend_from_slice(&data),
                FormPiece::FileEnd => {}
            }
        }
    }
    decoder.finish()?;
    Ok((form, file))
}

fuzz_target!(|input: (u8, &[u8])| {
    let (step, body) = input;
    let whole = decode(body, body.len().max(1));
    let cut = decode(body, usize::from(step).max(1));
    assert_eq!(whole.is_ok(), cut.is_ok());
    if let (Ok(whole), Ok(cut)) = (whole, cut) {
        assert!(whole.0.is_some() && whole.1.len() <= body.len());
        assert_eq!(whole, cut);
    }
});
