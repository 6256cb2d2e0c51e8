pub fn shape(_: &[&str]) -> Result<(), String> {
    Ok(())
}
