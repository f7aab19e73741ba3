# The sample component's artifact: greets until it is told to stop.
trap 'echo "Goodbye, $1!"; exit 0' TERM
while :; do
    echo "Hello, $1! This is $AWS_IOT_THING_NAME."
    sleep 2 & wait $!
done
